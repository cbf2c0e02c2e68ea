"""The pace of a machine: in some phases everything takes half as long again, which says nothing about a network."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

Samples = NDArray[numpy.float64]

COMPANY = 5
"""Of so few calls in a round the pace cannot be told from the calls' own noise."""


def levelled(samples: Samples) -> Samples:
    """Return durations (calls, rounds) as they would be at the pace of the quiet rounds.

    The pace of a round for one call is the median, over the other calls, of their duration in it to their median over
    all rounds. Rounds are quiet in which it is at most its lower quartile. With fewer than COMPANY others nothing is
    changed.
    """
    if len(samples) <= COMPANY:
        return samples
    middle = numpy.median(samples, axis=1, keepdims=True)
    if not (middle > 0).all():
        return samples
    relative = samples / middle
    rows = range(len(samples))
    pace = numpy.stack([numpy.median(numpy.delete(relative, row, axis=0), axis=0) for row in rows])
    return samples / (pace / numpy.percentile(pace, 25, axis=1, keepdims=True))


def pace_of(samples: Samples, known: Samples) -> Samples:
    """Return the pace (rounds,) of rounds with `samples` (calls, rounds), by what those calls are `known` to take.

    It is 1 throughout with fewer than COMPANY calls.
    """
    if len(samples) < COMPANY or not (known > 0).all():
        return numpy.ones(samples.shape[1])
    return numpy.asarray(numpy.median(samples / known[:, None], axis=0))
