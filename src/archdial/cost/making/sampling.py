"""Measuring many parts: a design for each large family and a surface for the rest, or all if that is poor."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy

from archdial.cost.making.design import Family, families
from archdial.cost.making.surface import Array, Surface, best_surface
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.timing import Progress, Timing
from archdial.cost.table.fit import WITHIN
from archdial.networks.supernet import Part

WORST = 0.1
"""Mean relative error on what was left out, above which a surface is not used."""
_AGAIN = 10
"""Parts that are measured once more beside what is measured after all, to tell how fast the machine is by then."""


@dataclass(frozen=True)
class Sampled:
    """What parts take: most of them measured, others by the surface of their family.

    Attributes:
        timings: of all, by key; the spread of one that was predicted is that of the surface's errors.
        predicted: keys of those that a surface tells.
        measured: how many members of the families with a surface were measured.
        errors: of the surfaces on each measured member that was left out of a fit, relative.
    """

    timings: Mapping[str, Timing]
    predicted: frozenset[str] = frozenset()
    measured: int = 0
    errors: tuple[float, ...] = field(default=())

    def header(self) -> dict[str, Any]:
        """Return what a table's header says of the surfaces; nothing where there are none."""
        if not self.predicted:
            return {}
        missed = numpy.abs(self.errors)
        told = {
            "parts": self.measured + len(self.predicted),
            "measured": self.measured,
            "held_out": len(missed),
            "held_out_mean_error": round(float(missed.mean()), 4),
            "within_10": round(float((missed <= WITHIN).mean()), 4),
        }
        return {"interpolated": told}


def sampled(
    conditions: Conditions, parts: Sequence[Part], beside: Sequence[Part] = (), progress: Progress | None = None
) -> Sampled:
    """Return what `parts`, and what is measured `beside` them in any case, take under `conditions`.

    Raises:
        RunError: one of them cannot be converted, sent or run.
    """
    chosen = families(parts)
    left = {part.key for family in chosen for part in family.left}
    first = [*(part for part in parts if part.key not in left), *beside]
    tell = _Told(progress if left else None)
    timings = _timed(conditions, first, tell.more if left else progress)
    fitted = [_Fitted.of(family, timings) for family in chosen]
    bad = [part for one in fitted if one.bad for part in one.family.left]
    timings |= _timed_after_all(conditions, bad, first, timings, tell.more)
    tell.finish()
    good = [one for one in fitted if not one.bad]
    predicted = {key: timing for one in good for key, timing in one.predicted().items()}
    errors = tuple(float(error) for one in good for error in one.errors)
    return Sampled(timings | predicted, frozenset(predicted), sum(one.family.measured for one in good), errors)


@dataclass(frozen=True)
class _Fitted:
    family: Family
    surface: Surface
    errors: Array

    @classmethod
    def of(cls, family: Family, timings: Mapping[str, Timing]) -> _Fitted:
        taken = numpy.array([timings[part.key].median_ms for part in family.members[: family.measured]])
        surface, errors = best_surface(family.sizes[: family.measured], taken, family.corners)
        return cls(family, surface, errors)

    @property
    def bad(self) -> bool:
        """Whether it may be off by more than WORST in the mean: of few errors the mean is known no better than so."""
        missed = numpy.abs(self.errors)
        return bool(missed.mean() + missed.std() / len(missed) ** 0.5 > WORST)

    def predicted(self) -> dict[str, Timing]:
        """Return what is left takes, by key."""
        low, high = numpy.percentile(self.errors, [25, 75])
        taken = self.surface.at(self.family.sizes[self.family.measured :])
        return {
            part.key: Timing(float(median), float(high - low))
            for part, median in zip(self.family.left, taken, strict=True)
        }


def _timed(conditions: Conditions, parts: Sequence[Part], progress: Progress | None) -> dict[str, Timing]:
    found = conditions.time(parts, progress)
    return {part.key: timing for part, timing in zip(parts, found, strict=True)}


def _timed_after_all(
    conditions: Conditions,
    parts: Sequence[Part],
    before: Sequence[Part],
    timings: Mapping[str, Timing],
    progress: Progress,
) -> dict[str, Timing]:
    """Return what `parts` take at the pace that the machine had when `timings` were taken of what was `before`."""
    if not parts:
        return {}
    company = sorted(before, key=lambda part: timings[part.key].spread)[:_AGAIN]
    found = conditions.time([*parts, *company], progress)
    again = zip(company, found[len(parts) :], strict=True)
    paces = [now.median_ms / timings[part.key].median_ms for part, now in again if timings[part.key].median_ms > 0]
    pace = statistics.median(paces) if paces else 1.0
    return {
        part.key: Timing(timing.median_ms / pace, timing.spread)
        for part, timing in zip(parts, found[: len(parts)], strict=True)
    }


class _Told:
    """Progress of one measurement that another one may follow: the last step is told by `finish` alone."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress, self.before = progress, 0

    def more(self, done: int, total: int) -> None:
        """Tell steps of a measurement; it is over when all are done."""
        if self.progress is not None:
            self.progress(self.before + done, self.before + total + 1)
        if done == total:
            self.before += total

    def finish(self) -> None:
        """Tell that all is done."""
        if self.progress is not None:
            self.progress(self.before + 1, self.before + 1)
