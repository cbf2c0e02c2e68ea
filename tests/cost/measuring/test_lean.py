"""Lowering without what is repeated: the same programs, and torch as it was before."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from archdial.common.errors import RunError
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.runtimes import executorch_runtime, lean, runtime
from archdial.networks.supernet import Part

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("operators_once")]

RUNTIME = runtime("executorch")


class Branches(nn.Module):
    """What our networks are made of: convolutions with and without scale, pooling, a sum, a concatenation, a head."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
        self.deep = nn.Sequential(
            nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 2, 2, 8, bias=False), nn.BatchNorm2d(8, affine=False)
        )
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, inputs: Tensor) -> Tensor:
        seen = self.stem(inputs)
        seen = torch.cat([torch.relu_(seen + self.deep(seen)), self.pool(seen)], 1)
        return self.head(seen[:, :, ::2, 1:].mean((2, 3)))


def program(how: AbstractContextManager[None] | None, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The bytes of `Branches`, lowered within `how`; None is as always."""
    with monkeypatch.context() as patch:
        if how is not None:
            patch.setattr(executorch_runtime, "lean", lambda: how)
        converted, _ = RUNTIME.convert(Branches(), torch.zeros(1, 3, 8, 8))
    return bytes(converted)


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passes that walked through a graph, whether they changed it or not."""
    from executorch.exir.pass_base import ExportPass

    seen: list[str] = []
    walk = ExportPass.call_submodule

    def seeing(self: Any, *given: Any) -> Any:
        seen.append(type(self).__name__)
        return walk(self, *given)

    monkeypatch.setattr(ExportPass, "call_submodule", seeing)
    return seen


def once(lowered: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
    """Lowers as `lowered` does, but only once: the short way alone, without the long one behind it."""
    left = [lowered]
    return lambda given: left.pop()(given)


def test_programs_are_the_same_by_fewer_walks(monkeypatch: pytest.MonkeyPatch, walks: list[str]) -> None:
    short = program(None, monkeypatch)
    # The first time patterns are prepared that stay.
    walks.clear()
    with monkeypatch.context() as patch:
        patch.setattr(executorch_runtime, "lowered", once(executorch_runtime.lowered))
        assert program(None, monkeypatch) == short
    few = len(walks)
    assert program(nullcontext(), monkeypatch) == short
    assert few < 0.7 * (len(walks) - few)


def names() -> list[object]:
    return [getattr(lean._owner(home), name) for home, name, _ in lean._REPEATED]


def test_all_is_as_it_was_afterwards() -> None:
    before = names()
    with pytest.raises(KeyError), lean.lean():
        assert all(now is not then for now, then in zip(names(), before, strict=True))
        assert not gc.isenabled()
        raise KeyError
    assert all(now is then for now, then in zip(names(), before, strict=True)) and gc.isenabled()


def test_a_graph_that_is_called_has_its_code_then() -> None:
    graph = fx.symbolic_trace(nn.ReLU()).graph
    graph.set_codegen(fx.graph.CodeGen())
    with lean.lean():
        module = fx.GraphModule(nn.Module(), graph)
        inner = module(torch.tensor([-1.0, 2.0]))
        later = fx.GraphModule(nn.Module(), graph)
    assert inner.tolist() == later(torch.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]
    assert "relu" in module.code and "relu" in later.code


def test_a_name_that_another_version_lacks_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = (("torch.fx:GraphModule", "no such name", lean._when_called), ("no.such.module", "x", lean._when_called))
    monkeypatch.setattr(lean, "_REPEATED", missing)
    with lean.lean():
        assert not hasattr(fx.GraphModule, "no such name")


def test_what_the_short_way_cannot_do_the_long_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    @contextmanager
    def broken() -> Iterator[None]:
        tried.append(True)
        raise AttributeError("another version")
        yield

    assert program(broken(), monkeypatch) == program(None, monkeypatch) and tried == [True]


def test_one_that_cannot_be_lowered_is_named_and_the_others_are_converted() -> None:
    class Odd(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.cpu() if float(inputs.sum()) > 0 else -inputs

    conditions = Conditions(RUNTIME, 1, 1)
    with pytest.raises(RunError, match="part 'odd' cannot be converted for executorch: "):
        conditions.converted(Part("odd", Odd(), (4,)))
    with RUNTIME.ready():
        call = RUNTIME.load(conditions.converted(Part("relu", nn.ReLU(), (4,))))
        assert RUNTIME.arrays(call())[0].min() == 0.0


def test_a_table_is_fitted_to_as_many_networks_as_there_are_parts() -> None:
    assert [RUNTIME.networks(parts) for parts in (5, 41, 500)] == [32, 41, 64]
