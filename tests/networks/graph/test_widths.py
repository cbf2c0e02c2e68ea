"""Networks that are narrower: sliced, masked, built and priced, all the same."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.cost.making.counting import count
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.peak import PeakCost
from archdial.networks.graph import GatedNetwork
from archdial.space import Architecture
from tests.networks.graph.examples import as_it_was, case, close, counted, drawn, inputs, output, weight
from tests.networks.graph.slim import SLIM, masked_weights, options_of, slimmed, taken


def compare(network: GatedNetwork, architecture: Architecture) -> None:
    x = inputs(network)
    with torch.no_grad(), as_it_was(network):
        sliced = network(x, network.space.one_hot(architecture))
        built = network.build(architecture)(x)
    masked = network.eval()(x, masked_weights(network, architecture))
    close(*(output(nn.Identity(), one) for one in (sliced, masked.detach())))
    close(*(output(nn.Identity(), one) for one in (built, sliced)))


@pytest.mark.parametrize("name", SLIM)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_sliced_masked_and_built_are_the_same(name: str, data: st.DataObject) -> None:
    compare(slimmed(name), data.draw(options_of(slimmed(name))))


@pytest.mark.parametrize("name", SLIM)
def test_the_whole_is_the_users_network(name: str) -> None:
    (model, _), network = case(name), slimmed(name)
    x = inputs(network)
    with torch.no_grad():
        close(output(network.build(network.whole), x), output(model, x))


@pytest.mark.slow
@pytest.mark.parametrize("name", SLIM)
def test_counts_are_those_of_the_built_module(name: str) -> None:
    network = slimmed(name)
    table = counted(network)
    columns = ("parameters", "flops", "bytes")
    costs = {
        **{column: ExpectedCost(network.space, table, column) for column in columns},
        "peak_bytes": PeakCost(network.space, table),
    }
    for architecture in (*drawn(network.space, 4), network.whole):
        built = network.build(architecture)
        found = count(built, (), network.calling.flat(network.example))
        assert {column: cost.of(architecture) for column, cost in costs.items()} == {
            "parameters": found.parameters,
            "flops": found.flops,
            "bytes": found.bytes,
            "peak_bytes": found.peak_bytes,
        }


def test_of_soft_weights_masks_are_a_mixture() -> None:
    network = slimmed("encoder")
    row = network.space.index("layer.branch#2")
    narrow, x = network.choices[row].counts(2), inputs(network)
    weights = network.space.one_hot(network.whole)
    weights[row] = torch.tensor([0.25, 0.0, 0.75, 0.0, 0.0])
    (group,) = narrow
    kept = narrow[group]
    with torch.no_grad():
        soft = output(nn.Identity(), network.eval()(x, weights))
        changed = copy.deepcopy(network)
        # What only the whole keeps counts with its weight, where it is read.
        changed.body.get_submodule("layer.linear2").weight[:, kept:] *= 0.25
        wanted = output(nn.Identity(), changed.eval()(x, network.space.one_hot(network.whole)))
    close(soft, wanted)


def test_a_width_has_a_gradient_and_so_have_the_weights_that_are_kept() -> None:
    network = copy.deepcopy(slimmed("residual")).train()
    architecture = taken(network, stem__width="0.5")
    weights = masked_weights(network, architecture)
    output(nn.Identity(), network(inputs(network), weights)).square().sum().backward()
    assert weights.grad is not None
    row = network.space.index("stem.width")
    assert weights.grad[row, : len(network.space.choices[row].options)].abs().min() > 0
    network.zero_grad()
    output(nn.Identity(), network(inputs(network), network.space.one_hot(architecture))).square().sum().backward()
    gradient = network.body.get_submodule("stem").weight.grad
    half = len(gradient) // 2
    assert gradient[:half].abs().amax((1, 2, 3)).min() > 0 and not gradient[half:].any()


def test_a_step_takes_the_statistics_of_the_units_that_are_kept() -> None:
    network = copy.deepcopy(slimmed("residual")).train()
    before = network.body.get_submodule("bn").running_mean.clone()
    with torch.no_grad():
        network(inputs(network), network.space.one_hot(taken(network, stem__width="0.5")))
    changed = network.body.get_submodule("bn").running_mean != before
    assert changed[: len(changed) // 2].all() and not changed[len(changed) // 2 :].any()


def test_a_branch_and_its_width_are_one_choice() -> None:
    network = slimmed("residual")
    (branch,) = (choice for choice in network.choices if choice.name == "l1.branch")
    assert branch.choice.options == ("1", "0.75", "0.5", "0.25", "0")
    assert branch.choice.kinds == ("convolution",) * 4 + ("dropped",)
    built = network.build(taken(network, l1__branch="0"))
    assert "l1.conv1.weight" not in built.state_dict()


def test_what_would_join_two_widths_has_no_gate() -> None:
    gates_alone = {gate.name for gate in case("residual")[1].gates}
    names = {choice.name for choice in slimmed("residual").choices}
    assert {"l1.conv1", "l1.conv2"} <= gates_alone and not {"l1.conv1", "l1.conv2"} & names


def test_a_built_member_is_a_plain_module_with_smaller_layers() -> None:
    network = slimmed("residual")
    least = Architecture(tuple(len(c.options) - 1 if c.options[-1] == "0.25" else 0 for c in network.space.choices))
    built = network.build(least)
    own = network.body.state_dict()
    assert built.state_dict().keys() <= own.keys()
    stem = built.get_submodule("stem")
    assert isinstance(stem, nn.Conv2d) and stem.out_channels == own["stem.weight"].shape[0] // 4
    assert all(isinstance(p, nn.Parameter) and p.is_leaf and p._base is None for p in built.parameters())
    # Its memory is its own: training it changes nothing of the supernet.
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.zero_()
    assert all(value.equal(own[name]) for name, value in network.body.state_dict().items())
    assert weight(copy.deepcopy(built)) == weight(built)


@pytest.mark.parametrize("name", ["residual", "vit", "dense"])
def test_copies_and_files_have_the_same_choices(name: str) -> None:
    (model, _), network = case(name), slimmed(name)
    again = GatedNetwork.from_json(json.loads(json.dumps(network.to_json())), model)
    x = inputs(network)
    for other in (again, copy.deepcopy(network)):
        assert other.space == network.space
        for architecture in drawn(network.space, 2):
            with torch.no_grad():
                given = other.eval()(x, network.space.one_hot(architecture))
                expected = network.eval()(x, network.space.one_hot(architecture))
            close(*(output(nn.Identity(), one) for one in (given, expected)))


def test_it_is_listed_with_its_widths() -> None:
    text = str(slimmed("residual"))
    assert "choices, captured by torch.export" in text
    line = next(line for line in text.splitlines() if "l1.branch" in line)
    channels = slimmed("residual").widths.groups[0].units
    assert f"{channels}/{channels * 3 // 4}/{channels // 2}/{channels // 4}/0 channels" in line and "zero" in line


def test_a_chain_says_what_would_help() -> None:
    chain = nn.Sequential(*(nn.Sequential(nn.Conv2d(3 if not n else 64, 64, 3), nn.ReLU()) for n in range(3)))
    example = torch.zeros(1, 3, 24, 24)
    assert "width" in str(ad.gates(chain, example, include=["*.1"]))
    assert "of the whole network's time" not in str(ad.choices(chain, example))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"width": (1, 0)}, "width has 0: expected fractions above 0"),
        ({"width": (1.5,)}, "width has 1.5"),
        ({"gates": False, "width": None}, "leaves nothing to choose"),
        ({"include": ["stem.widht"]}, "the nearest are stem.width"),
        ({"gates": False, "exclude": ["*"]}, "leave nothing"),
    ],
)
def test_what_cannot_be_asked_for(arguments: dict[str, object], said: str) -> None:
    model, _ = case("residual")
    with pytest.raises(UsageError, match=said):
        ad.choices(model, torch.zeros(1, 3, 16, 16), multiple=1, **arguments)  # type: ignore[arg-type]


def test_a_group_of_widths_is_one_choice() -> None:
    model, _ = case("residual")
    network = ad.choices(
        model, torch.zeros(1, 3, 16, 16), gates=False, multiple=1, groups={"all": ["stem.width", "l2.*"]}
    )
    (every,) = (choice for choice in network.choices if choice.name == "all")
    assert len(every.groups) == 3
    compare(network, taken(network, all="0.25"))
