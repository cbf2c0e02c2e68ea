"""A runtime of the user's: registered by name, sent to the measuring process, and measured there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from archdial.common.errors import UsageError
from archdial.cost.measuring import runtimes
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.runtimes import Runtime, register_runtime, runtime
from archdial.cost.measuring.runtimes.eager import Eager
from archdial.networks.supernet import Part

PAUSE = 0.004


class Paused(Eager):
    """Eager PyTorch, a pause before each call."""

    name = "paused"

    def load(self, converted: Any) -> Callable[[], Any]:
        call, home = super().load(converted), Path(os.environ["PAUSED_HOME"])
        home.joinpath(str(os.getpid())).touch()

        def paused() -> Any:
            time.sleep(PAUSE)
            return call()

        return paused


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    runtimes._REGISTERED.clear()


@pytest.mark.slow
def test_it_is_measured_in_the_process_that_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAUSED_HOME", str(tmp_path))
    assert register_runtime(Paused) is Paused
    conditions = Conditions.of("paused", 1, 1, 3, "cpu")
    (found,) = conditions.time([Part("linear", nn.Linear(2, 2), (2,))])
    assert found.median_ms > 1000 * PAUSE
    assert conditions.header()["runtime"] == "paused"
    (process,) = tmp_path.iterdir()
    assert int(process.name) != os.getpid()


def test_names_that_are_taken_and_classes_that_are_none_are_refused() -> None:
    with pytest.raises(UsageError, match="'eager' is empty or one of archdial's own"):
        register_runtime(Eager)
    with pytest.raises(UsageError, match=r"cannot register .*: expected a subclass"):
        register_runtime(nn.Linear)  # type: ignore[arg-type]

    class Half(Runtime):
        name, layout, library = "half", "channels_last", "torch"

    register_runtime(Paused)
    register_runtime(type("Paused", (Paused,), {"__module__": Paused.__module__}))
    with pytest.raises(UsageError, match=r"runtime name 'paused' is taken by .*test_registered\.Paused"):
        register_runtime(type("Slower", (Paused,), {}))

    with pytest.raises(UsageError, match="the runtime Half: it lacks arrays, convert, load"):
        register_runtime(Half)


def test_what_is_not_registered_here_is_unknown_and_what_is_stands_among_the_known() -> None:
    with pytest.raises(UsageError, match="paused"):
        runtime("paused")
    register_runtime(Paused)
    assert type(runtime("paused", 2)) is Paused
    with pytest.raises(UsageError, match="did you mean 'paused'"):
        runtime("pausd")
