"""The benchmark's networks: sizes as published, names, and built members that compute the same."""

from __future__ import annotations

import itertools

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.cost.making.counting import flops
from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.cells.nas_bench_201 import NAMES, NasBench201, Plan, architecture_of, name_of
from archdial.networks.example import shape_of
from tests.networks.examples import counted_table

SMALL = Plan(in_channels=1, classes=4, cells=1, channels=4, image_size=(9, 9))


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "parameters"), [("skip_connect", 73_306), ("nor_conv_3x3", 1_531_546)])
def test_networks_have_the_published_numbers_of_parameters(operation: str, parameters: int) -> None:
    network = NasBench201(Plan())
    built = network.build(network.space.uniform(operation))
    assert sum(parameter.numel() for parameter in built.parameters()) == parameters


def test_multiplications_are_the_published_ones() -> None:
    network = NasBench201(Plan())
    built = network.build(network.space.uniform("nor_conv_3x3")).eval()
    # 220.12 million multiply-adds are published, with those of normalisation and pooling.
    assert flops(built, (3, 32, 32)) / 2e6 == pytest.approx(220.12, rel=0.01)


def test_built_members_compute_what_the_supernet_computes() -> None:
    torch.manual_seed(0)
    network = NasBench201(SMALL).eval()
    images = torch.randn(2, 1, 9, 9)
    generator = torch.Generator().manual_seed(0)
    for architecture in [network.space.random(generator) for _ in range(10)] + [network.space.uniform("none")]:
        expected = network(images, network.space.one_hot(architecture))
        torch.testing.assert_close(network.build(architecture)(images), expected)


def test_a_cell_is_its_formula() -> None:
    network = NasBench201(Plan(in_channels=1, classes=2, cells=1, channels=4, image_size=(5, 5))).eval()
    names = ("skip_connect", "avg_pool_3x3", "none", "none", "skip_connect", "avg_pool_3x3")
    cell = network.cells[0]
    taken = [[(NAMES.index(name), None)] for name in names]
    x = torch.randn(1, 4, 5, 5)
    pool = torch.nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    # Nodes 1: x; 2: pool(x); 3: node 1 + pool(node 2).
    torch.testing.assert_close(cell(x, taken), x + pool(pool(x)))


def test_names_are_those_of_the_benchmark() -> None:
    space = Plan().space()
    written = [f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|" for a, b, c, d, e, f in itertools.product(NAMES, repeat=6)]
    found = [architecture_of(space, name) for name in written]
    assert len(set(found)) == 5**6
    assert [name_of(space, architecture) for architecture in found] == written


@pytest.mark.parametrize("name", ["", "|none~0|", "|none~0|+|none~0|none~0|+|none~0|none~1|none~2|"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="an architecture string of NAS-Bench-201"):
        architecture_of(Plan().space(), name)
    with pytest.raises(UsageError, match="operation 'conv' in"):
        architecture_of(Plan().space(), "|conv~0|+|none~0|none~1|+|none~0|none~1|none~2|")


def test_json_makes_an_equal_network() -> None:
    network = NasBench201(SMALL)
    again = NasBench201.from_json(network.to_json())
    assert again.plan == network.plan and again.state_dict().keys() == network.state_dict().keys()


@pytest.mark.slow
def test_costs_are_those_of_built_members() -> None:
    network = NasBench201(SMALL)
    cost = {column: ExpectedCost(network.space, counted_table(network), column) for column in ("parameters", "flops")}
    generator = torch.Generator().manual_seed(1)
    for architecture in [network.space.random(generator) for _ in range(12)]:
        built = network.build(architecture)
        assert cost["parameters"].of(architecture) == sum(p.numel() for p in built.parameters())
        assert cost["flops"].of(architecture) == flops(built, shape_of(network.example))


@pytest.mark.parametrize("wrong", [{"cells": 0}, {"image_size": (0, 3)}, {"operations": ("conv",)}])
def test_wrong_plans_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=r"expected at least 1|unknown operation"):
        Plan(**wrong)  # type: ignore[arg-type]
