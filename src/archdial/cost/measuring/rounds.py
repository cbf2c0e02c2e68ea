"""Timed rounds of calls: interleaved, looped, corrected for the machine's speed; only needs numpy.

It goes to devices as it is here, in the script of a bundle.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy
from numpy.typing import NDArray

Call = Callable[[], object]
Progress = Callable[[int, int], None]
Clock = Callable[[], float]
Value = TypeVar("Value")
Samples = NDArray[numpy.float64]

REPEATS = 30
WARMUP = 3
RETRIES = 3
"""How often a measurement whose spread is too wide is repeated."""
WIDE = 0.1
"""The widest spread of a quiet measurement; the median of 30 repetitions is then good to about 2 %."""
COMPANY = 5
"""Of so few calls in a round the pace cannot be told from the calls' own noise."""
MANY = 150
"""Calls, above which each goes through few rounds first, and through more only as long as it is not steady."""
_FIRST = 10
_LONGEST = 0.05
"""Seconds up to which a repetition of one of many calls has all its pieces: few rounds may all lie in a slow phase, of
which short calls feel nothing, and a longer one has to come through in at least one piece."""
_ALONE = 0.25
"""Seconds up to which a repetition has two pieces at least: of one run alone nothing tells what interrupted it."""
_SHORTEST = 5e-3  # seconds a repetition lasts at least: far above what a clock resolves, and long enough to be warm
_MOST_LOOPS = 2**16
_PIECES = 16


@dataclass(frozen=True)
class Timing:
    """What one call took: median in milliseconds, and interquartile range divided by the median."""

    median_ms: float
    spread: float

    @property
    def noisy(self) -> bool:
        """Whether the spread is too wide for the median to be relied on."""
        return self.spread > WIDE


def time_callables(
    calls: Sequence[Call],
    *,
    repeats: int = REPEATS,
    warmup: int = WARMUP,
    retries: int = RETRIES,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> list[Timing]:
    """Return what each call takes.

    Each round runs every call once, so that a slow phase of the machine hits all of them, and is taken out where there
    are enough of them to tell. A repetition begins with a run that is not counted, and a short call is looped in it
    until it lasts about five milliseconds, a longer one of up to a quarter of a second runs twice; the loop count comes
    from the warm-up. Of the loop the quickest sixteenth counts, or the quicker half: what else the machine does comes
    and goes within milliseconds. Calls whose spread is too wide go through all
    their rounds again, and the narrowest of their timings counts; one that is still too wide in the end says so by
    `Timing.noisy`. Of more than MANY calls those are done after ten rounds, or twenty, whose median is then as good
    as that of a quiet measurement after all, and ten rounds are repeated.

    Args:
        calls: what to time; by the time that `clock` tells, the work of a call that has returned is done.
        repeats: rounds, at least 1.
        warmup: runs of each call before its loop count is sought, 0 or more.
        retries: how often a wide measurement is repeated, 0 or more.
        progress: called with (steps done, steps in all); the warm-up of a call is one step, and what is repeated adds
            to the steps.
        clock: seconds.
    """
    first, longest = (repeats, 0.0) if len(calls) <= MANY else (min(_FIRST, repeats), _LONGEST)
    tell = _Steps(progress, len(calls) * (first + 1))
    subjects = [(call, tell(_warm(call, warmup, clock, longest))) for call in calls]
    samples = list(levelled(_rounds(subjects, first, clock, tell)))
    found = [summary(row) for row in samples]
    for count in range(first, repeats, first):
        unsteady = [number for number, one in enumerate(found) if not _steady(one, count, repeats)]
        more = _again(subjects, found, unsteady, min(first, repeats - count), clock, tell)
        for number, row in zip(unsteady, more, strict=True):
            samples[number] = numpy.concatenate([samples[number], row])
            found[number] = summary(samples[number])
    for _ in range(retries):
        wide = [number for number, timing in enumerate(found) if timing.noisy]
        for number, row in zip(wide, _again(subjects, found, wide, first, clock, tell), strict=True):
            found[number] = min(found[number], summary(row), key=lambda one: one.spread)
    tell.finish()
    return found


def _steady(found: Timing, count: int, repeats: int) -> bool:
    """Return whether the median of `count` repetitions is as good as that of all of a quiet measurement.

    It is as good as their spread divided by the root of how many they are.
    """
    return found.spread <= WIDE * math.sqrt(count / repeats)


def _again(
    subjects: Sequence[tuple[Call, int]],
    found: Sequence[Timing],
    numbers: Sequence[int],
    repeats: int,
    clock: Clock,
    tell: _Steps,
) -> Samples:
    """Return durations (numbers, repeats) of some of `subjects` in more rounds, at the pace of what was `found`."""
    if not numbers:
        return numpy.empty((0, repeats))
    company = _company(found)
    tell.total += (len(numbers) + len(company)) * repeats
    again = _rounds([subjects[number] for number in (*numbers, *company)], repeats, clock, tell)
    known = numpy.array([found[number].median_ms / 1000.0 for number in company])
    return numpy.asarray(again[: len(numbers)] / pace_of(again[len(numbers) :], known))


def _company(found: Sequence[Timing]) -> list[int]:
    """Return whose repetitions tell the machine's pace while others are repeated: the quietest, or none if too few."""
    quiet = [number for number, timing in enumerate(found) if not timing.noisy]
    return sorted(quiet, key=lambda number: found[number].spread)[:COMPANY] if len(quiet) >= COMPANY else []


def _rounds(subjects: Sequence[tuple[Call, int]], repeats: int, clock: Clock, tell: _Steps) -> Samples:
    samples = numpy.empty((len(subjects), repeats))
    for number in range(repeats):
        for row, (call, loops) in zip(samples, subjects, strict=True):
            # Not counted: it finds caches that the others have emptied.
            call()
            row[number] = tell(_quickest(call, loops, clock))
    return samples


def summary(seconds: Sequence[float] | Samples) -> Timing:
    """Return median (in ms) and spread of durations in seconds; the spread of nothing but zeros is 0."""
    low, median, high = (float(value) for value in numpy.percentile(seconds, [25, 50, 75]))
    return Timing(1000.0 * median, (high - low) / median if median > 0 else 0.0)


def _warm(call: Call, warmup: int, clock: Clock, longest: float) -> int:
    """Run `call` until it is warm; return how many runs fill a repetition, in all its pieces if `longest` allows it."""
    for _ in range(warmup):
        call()
    loops = 1
    while (lasts := _elapsed(call, loops, clock)) < _SHORTEST and loops < _MOST_LOOPS:
        loops *= 2
    while loops < _PIECES and 2.0 * lasts <= longest:
        loops, lasts = 2 * loops, 2.0 * lasts
    return 2 if loops == 1 and lasts <= _ALONE else loops


def _quickest(call: Call, loops: int, clock: Clock) -> float:
    """Return what a run takes in the quickest of up to 16 equal pieces of a loop, a power of 2."""
    pieces = min(loops, _PIECES)
    return min(_elapsed(call, loops // pieces, clock) for _ in range(pieces)) / (loops // pieces)


def _elapsed(call: Call, loops: int, clock: Clock) -> float:
    start = clock()
    for _ in range(loops):
        call()
    return clock() - start


class _Steps:
    """Tells `progress` after each value that passes through; the last step is told by `finish`."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self, value: Value) -> Value:
        self.done += 1
        # Whether this was the last step is known once no measurement has to be repeated.
        if self.progress is not None and self.done < self.total:
            self.progress(self.done, self.total)
        return value

    def finish(self) -> None:
        if self.progress is not None:
            self.progress(self.total, self.total)


def levelled(samples: Samples) -> Samples:
    """Return durations (calls, rounds) as they would be at the pace of the quiet rounds.

    The pace of a round for one call is the median, over the other calls, of their duration in it to their median over
    all rounds. The quiet pace is the lower quartile of that of all calls, one for all of them: where a phase ends
    within a round, quartiles of their own would lie in the phase for some and outside of it for others. With fewer than
    COMPANY others nothing is changed.
    """
    if len(samples) <= COMPANY:
        return samples
    middle = numpy.median(samples, axis=1, keepdims=True)
    if not (middle > 0).all():
        return samples
    relative = samples / middle
    rows = range(len(samples))
    pace = numpy.stack([numpy.median(numpy.delete(relative, row, axis=0), axis=0) for row in rows])
    return samples / (pace / numpy.percentile(numpy.median(relative, axis=0), 25))


def pace_of(samples: Samples, known: Samples) -> Samples:
    """Return the pace (rounds,) of rounds with `samples` (calls, rounds), by what those calls are `known` to take.

    It is 1 throughout with fewer than COMPANY calls.
    """
    if len(samples) < COMPANY or not (known > 0).all():
        return numpy.ones(samples.shape[1])
    return numpy.asarray(numpy.median(samples / known[:, None], axis=0))
