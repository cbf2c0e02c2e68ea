"""Measuring without a process of its own, for tests of what is done with the figures."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from types import FunctionType
from typing import Any

import pytest
from cloudpickle import cloudpickle

from archdial.cost.measuring import isolation, rounds
from archdial.cost.measuring.runtimes import Runtime
from archdial.cost.measuring.timing import Progress, Timing

LOOKED_FOR = getattr(cloudpickle, "_whichmodule", None)


def module_of(thing: Any, name: str) -> Any:
    """What names no module was made by `exec`, and is not looked for in the thousands that tests have imported."""
    if isinstance(thing, FunctionType) and thing.__module__ is None:
        return None
    return LOOKED_FOR(thing, name)


def timed_here(
    runtime: Runtime,
    subjects: Iterable[tuple[str, Any]],
    *,
    count: int,
    repeats: int,
    progress: Progress | None = None,
) -> list[Timing]:
    """Time what was sent and read again, as the process that measures does, but in this one and not for long."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloudpickle, "_whichmodule", module_of, raising=False)
        sent = [pickle.loads(isolation._sendable(name, converted, runtime)) for name, converted in subjects]
    assert len(sent) == count
    with runtime.ready(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rounds, "_SHORTEST", 2e-4)
        calls = [runtime.load(converted) for converted in sent]
        return rounds.time_callables(
            calls, repeats=repeats, warmup=1, retries=0, progress=progress, clock=runtime.clock()
        )
