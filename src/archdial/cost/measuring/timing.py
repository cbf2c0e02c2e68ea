"""Timing calls with `rounds`: arguments are checked, and torch's threads are set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from archdial.common.errors import UsageError
from archdial.cost.measuring import rounds
from archdial.cost.measuring.rounds import REPEATS, WIDE, Call, Clock, Progress, Timing, summary

__all__ = [
    "REPEATS",
    "WIDE",
    "Call",
    "Clock",
    "Progress",
    "Timing",
    "at_least_one",
    "summary",
    "threads",
    "time_callables",
]


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Run torch on `count` threads within, and on as many as before after it.

    Raises:
        UsageError: `count` is less than 1.
    """
    # Not every process that measures has any use for torch.
    import torch

    at_least_one("threads", count)
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def time_callables(calls: Sequence[Call], *, repeats: int = REPEATS, **how: Any) -> list[Timing]:
    """Return what each call takes, as `rounds.time_callables` does.

    Raises:
        UsageError: `repeats` is less than 1.
    """
    at_least_one("repeats", repeats)
    return rounds.time_callables(calls, repeats=repeats, **how)


def at_least_one(name: str, value: int) -> None:
    """Raise UsageError unless `value` is 1 or more."""
    if value < 1:
        raise UsageError(f"{name} is {value}: expected a whole number, 1 or more")
