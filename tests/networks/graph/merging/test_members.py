"""Members in which layers were merged compute the same, keep the other names, and are modules like any other."""

from __future__ import annotations

import copy
import io
import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.networks.graph.merging import merge_rows, merged
from tests.networks.graph.examples import OWN, close, gated, inputs, output, some
from tests.networks.graph.merging.layers import awake, chains, difference, inputs_of
from tests.networks.graph.merging.pairwise import merge_all

EXACT = 1e-4


def layers_of(built: fx.GraphModule) -> list[str]:
    return [str(node.target) for node in built.graph.nodes if node.op == "call_module"]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_chains_are_merged_until_no_pair_is_left(data: st.DataObject) -> None:
    spatial = data.draw(st.sampled_from((1, 2)))
    layers = data.draw(st.integers(2, 5).flatmap(lambda number: chains(number, spatial)))
    chain = nn.Sequential(*layers).eval()
    built = fx.symbolic_trace(copy.deepcopy(chain))
    done = merge_all(built)
    left = [built.get_submodule(name) for name in layers_of(built)]
    assert len(left) == len(layers) - len(done)
    assert all(merged(pair) is None for pair in itertools.pairwise(left))
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
    assert merge_all(built) == [("stem", "norm"), ("block.0", "block.2"), ("block.0", "block.3"), ("mix", "head")]
    assert set(built.state_dict()) == {f"{kept}.{n}" for kept in ("stem", "block.0", "mix") for n in ("weight", "bias")}
    assert set(built.state_dict()) - names == {"block.0.bias"}
    assert torch.allclose(built(INPUTS), expected, rtol=1e-4, atol=1e-4)


def test_rows_at_once_are_what_pairs_one_after_the_other_are() -> None:
    built, pairwise = member("block.1"), member("block.1")
    merge_all(pairwise)
    merge_rows(built, [("stem", "norm"), ("block.0", "block.2", "block.3"), ("mix", "head")], {})
    assert layers_of(built) == layers_of(pairwise) == ["stem", "act", "block.0", "mix"]
    for name, value in pairwise.state_dict().items():
        assert torch.allclose(built.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_a_normalisation_before_has_no_name_to_give() -> None:
    built = member()
    assert ("block.2", "block.3") in merge_all(built)
    assert [name for name, _ in built.named_children()] == ["stem", "act", "block", "mix"]
    assert [name for name, _ in built.block.named_children()] == ["0", "1", "3"]


def test_the_member_is_a_module_like_any_other() -> None:
    built = member("block.1")
    merge_all(built)
    stream = io.BytesIO()
    torch.save(built, stream)
    stream.seek(0)
    exported = torch.export.export(built, (INPUTS,)).module()
    for again in (copy.deepcopy(built), torch.load(stream, weights_only=False), exported):
        assert torch.allclose(again(INPUTS), built(INPUTS), rtol=1e-5, atol=1e-5)
    assert set(copy.deepcopy(built).state_dict()) == set(built.state_dict())


def test_only_what_is_named_is_merged() -> None:
    built = member("block.1")
    expected, names = built(INPUTS), layers_of(built)
    state = {name: value.clone() for name, value in built.state_dict().items()}
    merge_rows(built, [("mix", "head")], {})
    assert layers_of(built) == names[:-1] and names[-1] == "head"
    left = {name: value for name, value in state.items() if not name.startswith(("mix", "head"))}
    assert {*left, "mix.weight", "mix.bias"} == set(built.state_dict())
    assert all(torch.equal(built.state_dict()[name], value) for name, value in left.items())
    assert torch.allclose(built(INPUTS), expected, rtol=1e-5, atol=1e-5)


def large() -> fx.GraphModule:
    """Two layers whose numbers, as one, half precision has not."""
    chain = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).half().eval()
    for parameter in chain.parameters():
        parameter.data.fill_(300.0)
    return fx.symbolic_trace(chain)


@pytest.mark.parametrize(("make", "rows"), [(member, []), (large, [("0", "1")])], ids=["no rows", "too large"])
def test_where_nothing_is_merged_nothing_changes(make: Callable[[], fx.GraphModule], rows: list[Any]) -> None:
    built = make()
    code, state = built.code, {name: value.clone() for name, value in built.state_dict().items()}
    merge_rows(built, rows, {})
    assert built.code == code and built.state_dict().keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in built.state_dict().items())


def test_dimensions_tell_features_from_tokens() -> None:
    chain = nn.Sequential(awake(nn.Linear(4, 4)), awake(nn.BatchNorm1d(4))).eval()
    for known, left in (({"0": 2}, ["0"]), ({"0": 3}, ["0", "1"]), ({}, ["0", "1"])):
        built = fx.symbolic_trace(copy.deepcopy(chain))
        merge_rows(built, [("0", "1")], known)
        assert layers_of(built) == left


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
    code = built.code
    with pytest.raises(UsageError, match="are not consecutive"):
        merge_rows(built, [("a", "a" if kind is Twice else "b")], {})
    assert merge_all(built) == [] and built.code == code


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OWN, "resnet", "mobilenet"])
def test_members_of_networks_of_many_kinds_compute_the_same(name: str) -> None:
    network = gated(name)
    given = inputs(network)
    for architecture in some(network, 8):
        built = network.build(architecture).eval()
        expected, before = output(built, given), layers_of(built)
        done = merge_all(built)
        assert len(layers_of(built)) == len(before) - len(done)
        left = {module for module, _ in built.named_modules()}
        assert not any(left.issuperset(pair) for pair in done)
        close(output(built, given), expected, EXACT)
        close(output(copy.deepcopy(built), given), expected, EXACT)
