"""Timing calls: warm-up, interleaved repetitions, median and spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy
import torch

from archdial.errors import UsageError

Call = Callable[[], object]
Progress = Callable[[int, int], None]
Clock = Callable[[], float]
Value = TypeVar("Value")

REPEATS = 30
WARMUP = 3
_SHORTEST = 1e-3  # seconds a repetition lasts at least: far above what a clock resolves
_MOST_LOOPS = 2**16


@dataclass(frozen=True)
class Timing:
    """What one call took: median in milliseconds, and interquartile range divided by the median."""

    median_ms: float
    spread: float


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on `count` threads within, and on as many as before after it.

    Raises:
        UsageError: `count` is less than 1.
    """
    at_least_one("threads", count)
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_callables(
    calls: Sequence[Call],
    *,
    repeats: int = REPEATS,
    warmup: int = WARMUP,
    progress: Progress | None = None,
    clock: Clock = time.perf_counter,
) -> list[Timing]:
    """Return what each call takes.

    Each round runs every call once, so that a slow phase of the machine hits all of them. A short call is
    looped within its repetition until that lasts about a millisecond; the loop count comes from the warm-up.

    Args:
        calls: what to time; a call returns when its work is done.
        repeats: rounds, at least 1.
        warmup: runs of each call before its loop count is sought, 0 or more.
        progress: called with (steps done, steps in all); the warm-up of a call is one step.
        clock: seconds.

    Raises:
        UsageError: `repeats` is less than 1.
    """
    at_least_one("repeats", repeats)
    tell = _Steps(progress, len(calls) * (repeats + 1))
    loops = [tell(_warm(call, warmup, clock)) for call in calls]
    samples: list[list[float]] = [[] for _ in calls]
    for _ in range(repeats):
        for call, loop, sample in zip(calls, loops, samples, strict=True):
            sample.append(tell(_elapsed(call, loop, clock) / loop))
    return [summary(sample) for sample in samples]


def summary(seconds: Sequence[float]) -> Timing:
    """Return median (in ms) and spread of durations in seconds; the spread of nothing but zeros is 0."""
    low, median, high = (float(value) for value in numpy.percentile(seconds, [25, 50, 75]))
    return Timing(1000.0 * median, (high - low) / median if median > 0 else 0.0)


def at_least_one(name: str, value: int) -> None:
    """Raise UsageError unless `value` is 1 or more."""
    if value < 1:
        raise UsageError(f"{name} is {value}: expected a whole number, 1 or more")


def _warm(call: Call, warmup: int, clock: Clock) -> int:
    """Run `call` until it is warm; return how many runs fill a repetition."""
    for _ in range(warmup):
        call()
    loops = 1
    while loops < _MOST_LOOPS and _elapsed(call, loops, clock) < _SHORTEST:
        loops *= 2
    return loops


def _elapsed(call: Call, loops: int, clock: Clock) -> float:
    start = clock()
    for _ in range(loops):
        call()
    return clock() - start


class _Steps:
    """Tells `progress` after each value that passes through."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def __call__(self, value: Value) -> Value:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)
        return value
