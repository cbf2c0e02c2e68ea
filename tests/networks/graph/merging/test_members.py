"""Members in which layers were merged compute the same, keep the other names, and are modules like any other."""

from __future__ import annotations

import copy
import io
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

import archdial as ad
from archdial.networks.graph.merging import merge_pairs, merged
from archdial.networks.graph.merging.members import Merge
from tests.networks.graph.examples import OWN, close, gated, inputs, output, some
from tests.networks.graph.merging.layers import awake, chains, difference, inputs_of

EXACT = 1e-4


def always(first: fx.Node, second: fx.Node, module: nn.Module) -> bool:
    return True


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_are_merged_until_no_pair_is_left(data: st.DataObject) -> None:
    spatial = data.draw(st.sampled_from((1, 2)))
    layers = data.draw(st.integers(2, 5).flatmap(lambda number: chains(number, spatial)))
    chain = nn.Sequential(*layers).eval()
    built = fx.symbolic_trace(copy.deepcopy(chain))
    done = merge_pairs(built, always)
    left = [built.get_submodule(str(node.target)) for node in built.graph.nodes if node.op == "call_module"]
    assert len(left) == len(layers) - len(done)
    assert all(merged(*pair) is None for pair in itertools.pairwise(left))
    assert max(difference(chain, built, inputs) for inputs in inputs_of(layers[0], spatial)) <= EXACT


class Net(nn.Module):
    """A stem, a block whose activation may go, and a head that is not merged across the mean."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.block = nn.Sequential(nn.Conv2d(8, 8, 3, bias=False), nn.ReLU(), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1))
        self.mix, self.head = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        found = self.block(self.act(self.norm(self.stem(inputs))))
        return self.head(self.mix(found.mean((2, 3))))


INPUTS = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))


def member(*dropped: str) -> fx.GraphModule:
    net = ad.gates(awake(Net()), INPUTS)
    options = [net.space.choices[0].options.index("drop" if gate.name in dropped else "keep") for gate in net.gates]
    return net.build(type(net.whole)(tuple(options)))


def test_names() -> None:
    """A layer has the name of the first, but not that of a normalisation."""
    built = member("block.1")
    expected, names = built(INPUTS), set(built.state_dict())
    done = merge_pairs(built, always)
    assert done == [
        Merge("stem", "norm"), Merge("block.0", "block.2"), Merge("block.0", "block.3"), Merge("mix", "head"),
    ]  # fmt: skip
    assert set(built.state_dict()) == {f"{kept}.{n}" for kept in ("stem", "block.0", "mix") for n in ("weight", "bias")}
    assert set(built.state_dict()) - names == {"block.0.bias"}
    assert torch.allclose(built(INPUTS), expected, rtol=1e-4, atol=1e-4)


def test_a_normalisation_before_has_no_name_to_give() -> None:
    built = member()
    assert Merge("block.3", "block.2") in merge_pairs(built, always)
    assert [name for name, _ in built.named_children()] == ["stem", "act", "block", "mix"]
    assert [name for name, _ in built.block.named_children()] == ["0", "1", "3"]


def test_the_member_is_a_module_like_any_other() -> None:
    built = member("block.1")
    merge_pairs(built, always)
    stream = io.BytesIO()
    torch.save(built, stream)
    stream.seek(0)
    exported = torch.export.export(built, (INPUTS,)).module()
    for again in (copy.deepcopy(built), torch.load(stream, weights_only=False), exported):
        assert torch.allclose(again(INPUTS), built(INPUTS), rtol=1e-5, atol=1e-5)
    assert set(copy.deepcopy(built).state_dict()) == set(built.state_dict())


def test_only_what_is_wanted_is_merged_and_each_pair_is_asked_once() -> None:
    asked: list[tuple[str, str, str]] = []

    def wanted(first: fx.Node, second: fx.Node, module: nn.Module) -> bool:
        asked.append((str(first.target), str(second.target), type(module).__name__))
        assert all(parameter.is_meta for parameter in module.parameters())
        return first.target == "mix"

    built = member("block.1")
    expected = built(INPUTS)
    assert merge_pairs(built, wanted) == [Merge("mix", "head")]
    assert asked == [
        ("stem", "norm", "Conv2d"), ("block.0", "block.2", "Conv2d"), ("block.2", "block.3", "Conv2d"),
        ("mix", "head", "Linear"),
    ]  # fmt: skip
    assert torch.allclose(built(INPUTS), expected, rtol=1e-5, atol=1e-5)


def test_where_nothing_is_merged_nothing_changes() -> None:
    built = member()
    code, state = built.code, {name: value.clone() for name, value in built.state_dict().items()}
    assert merge_pairs(built, lambda *_: False) == []
    assert built.code == code
    assert all(torch.equal(value, state[name]) for name, value in built.state_dict().items())


def test_dimensions_tell_features_from_tokens() -> None:
    chain = nn.Sequential(awake(nn.Linear(4, 4)), awake(nn.BatchNorm1d(4))).eval()
    for known, merges in ((2, 1), (3, 0), (None, 0)):
        built = fx.symbolic_trace(copy.deepcopy(chain))
        assert len(merge_pairs(built, always, lambda node, known=known: known)) == merges


class Twice(nn.Module):
    """Calls one layer twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.a(self.a(inputs))


class Read(Twice):
    """Reads between two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        between = self.a(inputs)
        return self.b(between) + between


class Given(Read):
    """Gives what is between two layers."""

    def forward(self, inputs: Tensor) -> Any:
        between = self.a(inputs)
        return self.b(between), between


class Tied(Read):
    """Two layers have one weight, which a third has too."""

    def __init__(self) -> None:
        super().__init__()
        self.c = nn.Linear(4, 4)
        self.c.weight = self.b.weight

    def forward(self, inputs: Tensor) -> Tensor:
        return self.c(self.b(self.a(inputs)).relu())


class Looked(Read):
    """Reads the weight of a layer."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.b(self.a(inputs)) + self.a.weight.sum()


class Named(Read):
    """Calls a layer with its argument's name."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.b(input=self.a(inputs))


class Other(Read):
    """Changes what is between."""

    def forward(self, inputs: Tensor) -> Tensor:
        return self.b(self.a(inputs).relu())


@pytest.mark.parametrize("kind", [Twice, Read, Given, Tied, Looked, Named, Other])
def test_what_others_read_is_left(kind: type[nn.Module]) -> None:
    built = fx.symbolic_trace(awake(kind()))
    assert merge_pairs(built, always) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OWN, "resnet", "mobilenet"])
def test_members_of_networks_of_many_kinds_compute_the_same(name: str) -> None:
    network = gated(name)
    given = inputs(network)
    for architecture in some(network, 8):
        built = network.build(architecture).eval()
        expected = output(built, given)
        done = merge_pairs(built, always)
        assert {merge.gone for merge in done}.isdisjoint(module for module, _ in built.named_modules())
        close(output(built, given), expected, EXACT)
        close(output(copy.deepcopy(built), given), expected, EXACT)
