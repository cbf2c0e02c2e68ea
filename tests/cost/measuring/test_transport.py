"""What is sent to the process that measures is what was here."""

from __future__ import annotations

import operator
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn.utils import parametrizations

from archdial.cost.measuring.transport import packed


def sent(value: Any) -> Any:
    return pickle.loads(packed(value))


def in_place() -> fx.GraphModule:
    """A graph that adds in place, as one that was captured may."""
    graph = fx.Graph()
    left, right = graph.placeholder("left"), graph.placeholder("right")
    graph.output(graph.call_function(operator.iadd, (left, right)))
    return fx.GraphModule(nn.Module(), graph)


def test_a_graph_does_the_same_in_the_same_place() -> None:
    left = torch.ones(3)
    assert sent(in_place())(left, torch.ones(3)) is left
    assert left.equal(torch.full((3,), 2.0))
    # What pickle does to a graph by itself is why it is sent in another way.
    other = torch.ones(3)
    assert pickle.loads(pickle.dumps(in_place()))(other, torch.ones(3)) is not other


def test_a_graph_within_a_module_keeps_parameters_and_buffers() -> None:
    inner = fx.symbolic_trace(nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)).eval())
    module, images = nn.Sequential(inner, nn.ReLU()).eval(), torch.randn(2, 2, 4, 4)
    again = sent(module)
    assert again(images).equal(module(images)) and not again.training
    assert list(again.state_dict()) == list(module.state_dict())


def test_a_graph_that_reads_a_tensor_of_its_own() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.randn(3))
            self.register_buffer("offset", torch.randn(3))

        def forward(self, inputs: Tensor) -> Tensor:
            return torch.ops.aten.mul.Tensor(inputs, self.scale) + self.offset

    module, inputs = fx.symbolic_trace(Scaled()), torch.randn(2, 3)
    assert sent(module)(inputs).equal(module(inputs))


def test_classes_that_no_file_holds_travel() -> None:
    class Local(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = lambda value: 3 * value

        def forward(self, inputs: Tensor) -> Tensor:
            return self.factor(inputs)

    assert float(sent(Local())(torch.tensor(2.0))) == 6.0


@pytest.mark.parametrize("kind", ["parametrized", "recurrent"])
def test_modules_that_do_not_like_to_be_pickled(kind: str) -> None:
    module = parametrizations.weight_norm(nn.Linear(3, 2)) if kind == "parametrized" else nn.LSTM(3, 2)
    inputs = torch.randn(4, 3)
    wanted, found = module(inputs), sent(module)(inputs)
    first = (wanted, found) if kind == "parametrized" else (wanted[0], found[0])
    assert torch.equal(*first)


def test_layouts_are_kept() -> None:
    image = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    assert sent(image).stride() == image.stride() and sent(image).equal(image)
    expanded = torch.ones(1).expand(5)
    assert sent(expanded).stride() == (0,)
