"""Networks some layers of which compute in eight bits: run, built, priced, stored and told alike."""

from __future__ import annotations

import copy
import functools
import json

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import fx, nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.cost.making.profiling import profile
from archdial.networks.eight_bits.deployed import deployed, has_eight_bits, in_float, settled
from archdial.networks.eight_bits.fake import FakeQuantize
from archdial.networks.eight_bits.layers import KINDS
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choices.precision import Precision
from archdial.networks.supernet import Part, TermPlan
from archdial.space import Architecture
from tests.networks.graph.examples import as_it_was, case, close, drawn, images, inputs, output

NAMES = ("residual", "dense", "vit", "mobilenet")
_MADE: dict[tuple[str, bool], GatedNetwork] = {}


def mixed(name: str, *, slim: bool = False) -> GatedNetwork:
    """A network with gates and precisions, and widths if `slim`; made once."""
    if (name, slim) not in _MADE:
        model, gated = case(name)
        width = (1.0, 0.5) if slim else None
        _MADE[name, slim] = ad.choices(model, gated.example, width=width, precision=("int8",), multiple=4)
    return _MADE[name, slim]


def with_bits(network: GatedNetwork, option: int) -> Architecture:
    """All in float, or all in eight bits; nothing is dropped."""
    return Architecture(tuple(option if isinstance(choice, Precision) else 0 for choice in network.choices))


def apart(one: object, other: object) -> float:
    """By how much outputs differ in the mean, as a share of the mean output."""
    a, b = output(nn.Identity(), one), output(nn.Identity(), other)  # type: ignore[arg-type]
    return float((a - b).abs().mean() / b.abs().mean())


@pytest.mark.parametrize("slim", [False, True])
@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_what_is_built_computes_what_the_supernet_does(name: str, slim: bool, data: st.DataObject) -> None:
    network = mixed(name, slim=slim)
    architecture = data.draw(st.sampled_from(drawn(network.space, 30)))
    with torch.no_grad(), as_it_was(network):
        given = network(network.example, network.space.one_hot(architecture))
        built = network.build(architecture)
        expected = built(*network.calling.flat(network.example))
    # Ranges are those of the example in both: a built member was given no other.
    assert apart(given, expected) < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_eight_bits_are_near_and_float_is_the_users_network(name: str) -> None:
    (model, _), network = case(name), mixed(name)
    x = inputs(network)
    with torch.no_grad(), as_it_was(network):
        whole = network(x, network.space.one_hot(network.whole))
        eight = network(x, network.space.one_hot(with_bits(network, 1)))
    close(output(nn.Identity(), whole), output(model, x))
    assert 0 < apart(eight, whole) < 0.3


def test_weighed_options_have_gradients() -> None:
    network = mixed("residual")
    rows = [row for row, choice in enumerate(network.choices) if isinstance(choice, Precision)]
    weights = torch.full((len(network.choices), 2), 0.5, requires_grad=True)
    network.eval()(inputs(network), weights).square().sum().backward()
    assert weights.grad is not None and weights.grad[rows].abs().min() > 0
    assert all(parameter.grad is not None for parameter in network.parameters())
    network.zero_grad()


def borders(module: fx.GraphModule) -> tuple[int, int]:
    """How many tensors are quantised on their way from float, and how many of eight bits are read in float."""
    rounding = {n for n in module.graph.nodes if _called(module, n, FakeQuantize)}
    eight = {n for n in rounding if n.all_input_nodes[0].name in _eight(module)}
    back = sum(any(reader.name not in _eight(module) and reader.op != "output" for reader in n.users) for n in eight)
    return len(rounding - eight), back


def _called(module: fx.GraphModule, node: fx.Node, kind: type[nn.Module] | tuple[type[nn.Module], ...]) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), kind)


def _eight(module: fx.GraphModule) -> set[str]:
    """What computes in eight bits in a built network, told by what it reads and what reads it alone."""
    found: set[str] = set()
    for node in module.graph.nodes:
        if _called(module, node, tuple(KINDS.values())):
            found.add(node.name)
        elif _called(module, node, FakeQuantize) or node.op in {"placeholder", "output"}:
            continue
        elif node.all_input_nodes and all(
            (_called(module, s, FakeQuantize) and s.all_input_nodes[0].name in found) or s.name in found
            # Of a sum the branch, which here comes first.
            for s in node.all_input_nodes[:1]
        ):
            follows = _called(module, node, (nn.ReLU, nn.BatchNorm2d, nn.MaxPool2d)) or any(
                name in str(node.target) for name in ("add", "relu", "getitem")
            )
            found |= {node.name} if follows else set()
    return found


@functools.cache
def branches() -> GatedNetwork:
    """A network of which branches may be dropped, and layers be in eight bits."""
    model, gated = case("residual")
    return ad.choices(model, gated.example, width=None, precision=("int8",), include=["*.branch", "*.precision"])


@functools.cache
def terms() -> list[TermPlan]:
    return branches().terms()


def parts(architecture: Architecture) -> list[Part]:
    described = branches().space.describe(architecture)
    return [part for plan in terms() for part in plan.under(tuple(described[name] for name in plan.choices))]


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_is_priced_is_what_is_built(data: st.DataObject) -> None:
    """Where single operations are dropped too, two may read one tensor without the prices' knowing."""
    network = branches()
    architecture = data.draw(st.sampled_from(drawn(network.space, 60, seed=3)))
    module, priced = network.build(architecture), parts(architecture)
    # What takes every second pixel out of a tensor is counted with the tensor.
    assume(not any("getitem" in node.name for node in module.graph.nodes))
    quantized = sum(part.kind == "quantize" for part in priced)
    back = sum(part.kind == "dequantize" for part in priced)
    assert (quantized, back) == borders(module)
    layers = sum(part.kind.startswith(("int8 Conv", "int8 Linear")) for part in priced)
    assert layers == sum(type(one) in KINDS.values() for one in module.modules())


def test_parameters_and_bytes_are_those_of_the_integers() -> None:
    network = branches()
    eight = with_bits(network, 1)
    module = deployed(network.build(eight).eval())
    priced = parts(eight)
    assert sum(p.numel() for part in priced for p in part.module.parameters()) == sum(
        p.numel() for p in module.parameters()
    )
    weights = [p for p in module.parameters() if p.dtype == torch.int8]
    assert weights and all(p.dtype == torch.int8 for p in module.parameters() if p.dim() > 1)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("signed", [False, True])
def test_integers_give_the_same_numbers(name: str, signed: bool) -> None:
    network = mixed(name)
    x = network.calling.flat(network.example)
    for architecture in drawn(network.space, 3, seed=5):
        module = network.build(architecture).eval()
        with torch.no_grad():
            expected = module(*x)
            assert apart(deployed(copy.deepcopy(module), signed=signed)(*x), expected) < 0.01
            assert apart(settled(copy.deepcopy(module))(*x), expected) < 0.01


def test_without_its_eight_bits_a_member_is_the_one_in_float() -> None:
    network = mixed("residual")
    x = inputs(network)
    back = in_float(network.build(with_bits(network, 1)))
    assert not has_eight_bits(back)
    close(output(back, x), output(network.build(network.whole), x))


def test_stored_and_copied() -> None:
    network = mixed("residual", slim=True)
    value = json.loads(json.dumps({**network.to_json(), "source": None}))
    model, _ = case("residual")
    again = GatedNetwork.from_json(value, model)
    assert again.space == network.space and again.choices[0].name == network.choices[0].name
    other = copy.deepcopy(network)
    architecture, x = drawn(network.space, 1, seed=9)[0], images()
    with torch.no_grad():
        for one in (again.eval(), other.eval()):
            close(one(x, network.space.one_hot(architecture)), network.eval()(x, network.space.one_hot(architecture)))
    value["precisions"] = {"stem.precision": ["steem"]}
    with pytest.raises(UsageError, match="no layer 'steem' that has int8"):
        GatedNetwork.from_json(value, model)


def test_groups_share_a_precision_and_may_drop_something_too() -> None:
    model, gated = case("residual")
    groups = {"l*": ["l*.branch", "l*.conv1.precision", "l*.conv2.precision"]}
    network = ad.choices(model, gated.example, width=None, precision=("int8",), groups=groups)
    names = {choice.name for choice in network.choices}
    assert {"l1", "l1.precision", "l2", "l2.precision", "stem.precision"} <= names
    assert next(choice for choice in network.choices if choice.name == "l1.precision").nodes


def test_wrong_calls() -> None:
    model, gated = case("residual")
    with pytest.raises(UsageError, match="precision has 'int4': expected int8"):
        ad.choices(model, gated.example, precision=("int4",))
    with pytest.raises(UsageError, match="runtime 'eager' has no int8, which this network may choose"):
        profile(mixed("residual"), networks=0)


def test_what_stays_in_float_is_named() -> None:
    model, gated = case("residual")
    model = copy.deepcopy(model)
    model.get_submodule("l1.conv1").register_forward_hook(lambda module, inputs, output: output + 3)
    network = ad.choices(model, gated.example, gates=False, width=None, precision=("int8",))
    assert network.kept_in_float == ("l1.conv1",) and "kept in float32: l1.conv1" in str(network)
    assert not gated.kept_in_float and "kept in float32" not in str(mixed("residual"))


def test_the_listing_times_nothing_that_is_not_in_float() -> None:
    text = str(mixed("residual"))
    line = next(line for line in text.splitlines() if "stem.precision" in line)
    assert "int8" in line and "—" in line


@pytest.mark.parametrize(
    "groups",
    [
        # The group's precision is called as the layer's own, or as another group's.
        {"stem": ["l1.branch", "l1.conv1.precision"]},
        {"g": ["l1.branch", "l1.conv1.precision"], "g.precision": ["stem.precision"]},
        {"g.precision": ["stem.precision"], "g": ["l1.branch", "l1.conv1.precision"]},
        {"g": ["l1.branch", "l2.conv1.precision"], "g.precision": ["l2.branch"]},
    ],
)
def test_no_precision_is_lost_where_two_have_one_name(groups: dict[str, list[str]]) -> None:
    model, gated = case("residual")
    with pytest.raises(UsageError, match=r"is the precision of the group '(stem|g)', and of another choice too"):
        ad.choices(model, gated.example, width=None, precision=("int8",), groups=groups)
