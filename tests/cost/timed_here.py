"""Measuring without a process of its own, for tests of what is done with the figures."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from typing import Any

import pytest

from archdial.cost.measuring import isolation, rounds
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.measuring.timing import Progress, Timing


def timed_here(
    runtime: Runtime,
    subjects: Iterable[tuple[str, Any]],
    *,
    count: int,
    repeats: int,
    progress: Progress | None = None,
) -> list[Timing]:
    """Time what was sent and read again, as the process that measures does, but in this one and not for long."""
    sent = [pickle.loads(isolation._sendable(name, converted, runtime)) for name, converted in subjects]
    assert len(sent) == count
    with runtime.ready(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "_SHORTEST", 2e-4)
        calls = [runtime.load(converted) for converted in sent]
        return rounds.time_callables(
            calls, repeats=repeats, warmup=1, retries=0, progress=progress, clock=runtime.clock()
        )
