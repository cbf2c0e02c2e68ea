"""Modules that repeat each other, and graphs in which none does."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from archdial.networks.cells.repeats import merge_repeats, told


def test_what_is_told_differently_is_not_the_same() -> None:
    same = [
        (nn.ReLU(), nn.ReLU()),
        (nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 2, 1)),
        (nn.GELU(), nn.GELU().eval()),
    ]
    other = [
        (nn.AvgPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False)),
        (nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1, ceil_mode=True)),
        (nn.ReLU(), nn.ReLU6()),
        (nn.GELU(), nn.GELU(approximate="tanh")),
    ]
    assert all(told(a) == told(b) is not None for a, b in same)
    assert all(told(a) != told(b) for a, b in other)


class Own(nn.ReLU):
    """Of the user's own making: nobody knows what it does."""


@pytest.mark.parametrize(
    "module", [nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Conv2d(1, 1, 1), Own(), nn.BatchNorm2d(1)]
)
def test_what_has_weights_or_chance_or_changes_its_input_is_not_shared(module: nn.Module) -> None:
    assert told(module) is None


def shifted(tensor: Tensor, fill: float = 0.0) -> Tensor:
    return functional.pad(tensor[:, :, 1:], (0, 0, 0, 1), value=fill)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.ReLU(), nn.ReLU(), nn.ReLU()
        self.conv, self.other = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 1)
        self.drop, self.again = nn.Dropout(), nn.Dropout()

    def forward(self, inputs: Tensor) -> Tensor:
        a, b = self.conv(self.one(inputs)), self.other(self.two(inputs))
        views = shifted(self.one(inputs)) + shifted(self.two(inputs)) + shifted(inputs) + shifted(inputs, 1.0)
        return self.three(a) + b + views + self.drop(inputs) + self.again(inputs)  # type: ignore[no-any-return]


def test_the_graph_computes_the_same_with_fewer_nodes() -> None:
    torch.manual_seed(0)
    traced = fx.symbolic_trace(Net().eval())
    images = torch.randn(1, 2, 3, 3)
    expected = traced(images)
    merge_repeats(traced, traced.graph)
    traced.graph.lint()
    traced.recompile()
    torch.testing.assert_close(traced(images), expected)
    targets = [str(node.target) for node in traced.graph.nodes if node.op == "call_module"]
    assert sorted(targets) == ["again", "conv", "drop", "one", "other", "three"]
    functions = [node.target for node in traced.graph.nodes if node.op == "call_function"]
    assert sum("getitem" in str(target) for target in functions) == 2, "of the activation, and of the input"
    assert sum("pad" in str(target) for target in functions) == 3, "one of them with another value"
