"""The width of stem, cells and head as a choice: sliced, masked, priced and built alike."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.cost.making.counting import count
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.peak import PeakCost
from archdial.cost.table.terms import COLUMNS
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.networks.cells.network import CellNetwork
from archdial.networks.cells.operations import OPERATIONS, register_operation
from archdial.networks.cells.widths import kept_channels
from archdial.networks.supernet import Supernet
from archdial.searching.paths import PATHS, make_paths
from archdial.space import Architecture
from tests.networks.examples import counted_table, drawn, inputs, tiny

WIDTHS = [1, 0.75, 0.5, 0.25]
EVERY = ("none", "identity", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3", "nor_conv_3x3")
PLANS: list[dict[str, Any]] = [
    {"cells": 1, "channels": 5},
    {"operations": EVERY},
    {"cells": 6, "nodes": 3, "channels": 16, "image_size": (9, 7)},
    {"dense": True, "stem_stride": 4},
    {"outputs": (3, 2), "places": 2, "cells": 2},
    {"length": 20, "tokens": 50, "places": 4},
]


@pytest.fixture
def widening() -> Iterator[str]:
    @register_operation("widening")
    def widening(channels: int, stride: int) -> nn.Module:
        wide = 2 * channels
        layers = nn.Conv2d(channels, wide, 3, stride, padding=1), nn.BatchNorm2d(wide), nn.Conv2d(wide, channels, 1)
        return nn.Sequential(*layers, nn.Dropout(0.0))

    yield "widening"
    del OPERATIONS["widening"]


def wide(**plan: Any) -> CellNetwork:
    return tiny(**{"channels": 8, "widths": WIDTHS, **plan})


def bench() -> NasBench201:
    torch.manual_seed(0)
    return NasBench201(Plan(1, 4, cells=1, channels=8, image_size=(9, 9), widths=(1.0, 0.5, 0.25))).eval()


def at(network: Supernet, architecture: Architecture, number: int) -> Architecture:
    return Architecture((*architecture.options[:-1], number))


def at_each_width(network: Supernet, count: int = 2) -> list[Architecture]:
    options = range(len(network.space.choices[-1].options))
    return [at(network, architecture, number) for architecture in drawn(network.space, count) for number in options]


def test_a_choice_behind_all_others() -> None:
    plain, network = tiny(channels=8), wide()
    *edges, width = network.space.choices
    assert tuple(edges) == plain.space.choices
    assert (width.name, width.options) == ("channels", ("1", "0.75", "0.5", "0.25"))
    assert set(width.kinds) == {"channels"}
    assert tiny(channels=8, widths=None).space.fingerprint == plain.space.fingerprint != network.space.fingerprint
    assert "widths" not in plain.to_json() and network.to_json()["widths"] == tuple(WIDTHS)
    again = CellNetwork.from_json(json.loads(json.dumps(network.to_json())))
    assert again.plan == network.plan and again.space == network.space


@pytest.mark.parametrize(
    ("channels", "kept"),
    [
        (64, {"1": 64, "0.75": 48, "0.5": 32, "0.25": 16}),
        (16, {"1": 16, "0.5": 8}),
        (20, {"1": 20, "0.75": 16, "0.5": 8}),
        (8, {"1": 8, "0.75": 6, "0.5": 4, "0.25": 2}),
        (5, {"1": 5, "0.75": 4, "0.5": 2}),
    ],
)
def test_channels_kept(channels: int, kept: dict[str, int]) -> None:
    assert kept_channels(channels, WIDTHS) == kept


@pytest.mark.slow
@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("training", [False, True])
def test_masked_is_sliced_is_built(plan: dict[str, Any], training: bool) -> None:
    network = wide(**plan).train(training)
    images, before = inputs(network), copy.deepcopy(network.state_dict())
    for architecture in at_each_width(network):
        module, weights = network.build(architecture), network.space.one_hot(architecture)
        outputs = []
        for taken in (weights, weights.clone().requires_grad_()):
            network.load_state_dict(before)
            outputs.append(network(images, taken))
        torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(outputs[0], module(images), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_width_is_a_network_of_so_many_channels() -> None:
    """Made by hand of a narrower one: its statistics and weights where the wide one has its first channels."""
    network = wide()
    for number, channels in enumerate(kept_channels(8, WIDTHS).values()):
        module = network.build(at(network, network.space.uniform("sep_conv_3x3"), number))
        narrow = tiny(channels=channels)
        built = narrow.build(narrow.space.uniform("sep_conv_3x3"))
        assert {k: v.shape for k, v in module.state_dict().items()} == {
            k: v.shape for k, v in built.state_dict().items()
        }
        own = network.state_dict()
        assert module.state_dict()["stem.0.weight"].equal(own["stem.0.weight"][:channels])
        blocks = own["head.0.running_mean"].view(2, 32)[:, : 4 * channels].flatten()
        assert module.state_dict()["head.0.running_mean"].equal(blocks)
        assert all(v.untyped_storage().nbytes() == v.nbytes for v in module.state_dict().values() if v.numel() > 1)


@pytest.mark.slow
@pytest.mark.parametrize("plan", [*PLANS, None])
def test_prices_are_those_of_built_members(plan: dict[str, Any] | None) -> None:
    network = bench() if plan is None else wide(**plan)
    table = counted_table(network)
    costs = {name: ExpectedCost(network.space, table, name) for name in ("parameters", "flops", "size_bytes")}
    for architecture in at_each_width(network):
        module = network.build(architecture).eval()
        counts = count(module, tuple(network.example.shape[1:]), (network.example,))
        assert costs["parameters"].of(architecture) == counts.parameters
        assert costs["flops"].of(architecture) == counts.flops
        assert costs["size_bytes"].of(architecture) == sum(t.nbytes for t in module.state_dict().values())


@pytest.mark.slow
def test_prices_are_those_of_a_network_of_so_many_channels() -> None:
    network = wide(operations=EVERY)
    table = counted_table(network)
    for number, channels in enumerate(kept_channels(8, WIDTHS).values()):
        narrow = tiny(channels=channels, operations=EVERY)
        prices = counted_table(narrow)
        for architecture in drawn(narrow.space, 3):
            same = Architecture((*architecture.options, number))
            for name in COLUMNS:
                own = ExpectedCost(network.space, table, name).of(same)
                assert own == pytest.approx(ExpectedCost(narrow.space, prices, name).of(architecture)), name
            assert PeakCost(network.space, table).of(same) == PeakCost(narrow.space, prices).of(architecture)


def test_the_expected_price_is_linear_in_the_widths() -> None:
    network = wide()
    cost = ExpectedCost(network.space, counted_table(network), "flops")
    weights = network.space.one_hots(at(network, network.space.uniform("sep_conv_3x3"), n) for n in range(4))
    assert float(cost(weights.mean(0))) == pytest.approx(float(cost(weights).mean()))
    prices = cost(weights).tolist()
    assert prices == sorted(prices, reverse=True) and prices[2] < prices[0] / 2


@pytest.mark.slow
def test_every_parameter_of_a_width_is_in_exactly_one_part() -> None:
    for network in (wide(cells=4), bench()):
        for number, name in enumerate(network.space.choices[-1].options):
            plans = [plan.entries for plan in network.terms()]
            parts = [
                part for found in plans for options, parts in found.items() if options[-1] == name for part in parts
            ]
            shapes = {id(p): p.numel() for part in parts for p in part.module.parameters()}
            assert sum(shapes.values()) == sum(p.numel() for p in network._frames._frames[number].parameters())


@pytest.mark.slow
def test_parts_of_one_key_are_equal_work() -> None:
    shapes: dict[str, set[object]] = {}
    for plan in wide(cells=6, nodes=3, operations=EVERY).terms():
        for part in (part for parts in plan.entries.values() for part in parts):
            sizes = tuple(tuple(p.shape) for p in part.module.parameters())
            shapes.setdefault(part.key, set()).add((part.input_shape, sizes, str(part.module)))
    assert all(len(found) == 1 for found in shapes.values())


def test_weights_train_on_the_first_channels_alone() -> None:
    network = wide().train()
    architecture = at(network, network.space.uniform("sep_conv_3x3"), 2)
    before = copy.deepcopy(network.state_dict())
    network(inputs(network), network.space.one_hot(architecture)).square().sum().backward()
    convolution, norm = network.stem[0], network.head[0]
    assert convolution.weight.grad[:4].any() and not convolution.weight.grad[4:].any()
    # Of two nodes of 32 channels each the first 16.
    told = norm.running_mean.ne(before["head.0.running_mean"]).view(2, 32)
    assert told[:, :16].all() and not told[:, 16:].any()
    assert network.stem[1].running_var.ne(before["stem.1.running_var"]).tolist() == [True] * 4 + [False] * 4
    assert int(norm.num_batches_tracked) == 1


@pytest.mark.slow
def test_the_width_has_a_gradient_that_is_that_of_finite_differences() -> None:
    network = wide(cells=2, operations=("identity", "nor_conv_1x1")).double()
    images = inputs(network, 2).double()
    weights = torch.full(network.space.shape, 0.25, dtype=torch.float64).requires_grad_()
    there = network.space.mask
    assert torch.autograd.gradcheck(lambda w: network(images, w * there), weights, eps=1e-6, atol=1e-5)
    hard = network.space.one_hot(at(network, drawn(network.space, 1)[0], 2)).double().requires_grad_()
    (gradient,) = torch.autograd.grad(network(images, hard).square().sum(), hard)
    assert (gradient[-1] != 0).all()


def test_a_unit_is_as_loud_as_the_widths_that_keep_it() -> None:
    """Cells without edges' weights: what the entrances give is a sum over the masks."""
    network = wide(cells=1, nodes=1, operations=("identity",))
    images, weights = inputs(network), torch.zeros(network.space.shape)
    weights[:-1, 0], weights[-1] = 1.0, torch.tensor([0.1, 0.2, 0.3, 0.4])
    mask = torch.tensor([1.0, 1.0, 0.6, 0.6, 0.3, 0.3, 0.1, 0.1]).view(1, -1, 1, 1)
    (cell,), stem = network.cells, network.stem(images)

    def entrance(layers: Any) -> Tensor:
        activation, convolution, norm = layers
        return norm(convolution(activation(stem) * mask))

    norm, activation, pool, flat, linear = network.head
    features = flat(pool(activation(norm(entrance(cell.older) + entrance(cell.newer)))))
    torch.testing.assert_close(network(images, weights), linear(features * mask.flatten()))


def same_at_each_width(network: Supernet) -> None:
    """Sliced, masked and built it gives the same, at each width."""
    images = inputs(network)
    for architecture in at_each_width(network):
        weights = network.space.one_hot(architecture)
        expected = network(images, weights)
        torch.testing.assert_close(network(images, weights.clone().requires_grad_()), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(network.build(architecture)(images), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_operations_of_ones_own(widening: str) -> None:
    network = wide(operations=("identity", widening))
    same_at_each_width(network)


@pytest.mark.slow
def test_the_benchmarks_cells_have_widths_too() -> None:
    network = bench()
    same_at_each_width(network)
    assert NasBench201.from_json(network.to_json()).plan == network.plan
    assert "widths" not in NasBench201(Plan()).to_json()


def test_copies_stand_alone_and_nothing_is_drawn() -> None:
    network = wide()
    images, weights = inputs(network), network.space.one_hot(at_each_width(network)[2])
    state, before = torch.get_rng_state(), network(images, weights)
    assert torch.get_rng_state().equal(state)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(2)
    assert not other(images, weights).equal(before)
    assert network(images, weights).equal(before)
    assert {name.partition(".")[0] for name in network.state_dict()} == {"stem", "cells", "head"}


def test_scaled_has_the_same_space_or_there_is_none() -> None:
    network = wide(channels=64, cells=1, nodes=1)
    half = network.scaled(0.5)
    assert half is not None and half.space == network.space and half.plan.channels == 32
    assert network.scaled(0.25) is None
    assert wide().scaled(1.0) is not None


@pytest.mark.parametrize("name", PATHS)
def test_widths_are_drawn_along(name: str) -> None:
    space, generator = wide().space, torch.Generator().manual_seed(0)
    paths = make_paths(name, space)
    assert {paths.draw(generator).options[-1] for _ in range(100)} == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("widths", "message"),
    [
        ([0.5, 1], r"widths = \[0.5, 1\]: expected fractions of the channels in decreasing order from 1"),
        ([1, 0.5, 0.5], "decreasing order from 1"),
        ([1, 0.9], r"widths = \[1, 0.9\]: with 4 channels in multiples of 2, all round to 4"),
        ([1], "of length at least 2"),
        ([1, 0], "a number above 0"),
        ([1, "half"], "a number"),
        (0.5, "expected a list"),
    ],
)
def test_wrong_widths(widths: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        tiny(widths=widths)
