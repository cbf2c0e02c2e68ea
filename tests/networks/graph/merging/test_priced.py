"""What a table says of members in which layers are made one is what is built; where that is slower each stays."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.cost.making.assembly import Plan
from archdial.cost.making.counting import count
from archdial.cost.making.device_script import filled
from archdial.cost.making.whole_networks import subjects
from archdial.cost.measuring.timing import Timing
from archdial.cost.pricing.expected import ExpectedCost, by_column
from archdial.cost.pricing.peak import PeakCost
from archdial.cost.table.table import CostTable
from archdial.networks.graph import GatedNetwork
from archdial.space import Architecture
from tests.networks.graph.examples import NETWORKS, close, drawn, gated, inputs, output, programs
from tests.networks.graph.merging.layers import awake
from tests.networks.graph.slim import SLIM, slimmed

RUNTIME: Mapping[str, Any] = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
EXACT = 1e-4


class Block(nn.Module):
    """A bottleneck with a shortcut, without padding where layers can be one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(width, 4, 1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, width, 1)
        self.norm, self.other, self.act = nn.BatchNorm2d(4), nn.BatchNorm2d(4), nn.ReLU()
        self.again, self.last = nn.ReLU(), nn.ReLU()

    def forward(self, inputs: Tensor) -> Tensor:
        found = self.again(self.other(self.b(self.act(self.norm(self.a(inputs))))))
        return self.last(self.c(found) + inputs)


def vgg() -> nn.Module:
    """Convolutions without padding, of 3×3 and 1×1, with normalisations behind some, and two linear layers."""
    layers: list[nn.Module] = []
    for number, (taken, made, size) in enumerate(((3, 8, 3), (8, 8, 1), (8, 8, 3), (8, 6, 1), (6, 8, 3), (8, 8, 3))):
        layers += [nn.Conv2d(taken, made, size, bias=number != 2), *([nn.BatchNorm2d(made)] if number % 2 else [])]
        layers += [nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4))


def inverted() -> nn.Module:
    """What expands, works on each channel, and projects, twice."""

    def block() -> list[nn.Module]:
        expand, depthwise = nn.Conv2d(4, 8, 1, bias=False), nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        return [expand, nn.ReLU6(), depthwise, nn.BatchNorm2d(8), nn.ReLU6(), nn.Conv2d(8, 4, 1), nn.BatchNorm2d(4)]

    return nn.Sequential(nn.Conv2d(3, 4, 3), *block(), *block(), nn.Flatten(), nn.Linear(4 * 14 * 14, 3))


MODELS: dict[str, Callable[[], nn.Module]] = {
    "stem": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Flatten()
    ),
    "vgg": vgg,
    "inverted": inverted,
    "blocks": lambda: nn.Sequential(nn.Conv2d(3, 8, 1), Block(8), Block(8)),
}
IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@functools.cache
def made(name: str) -> GatedNetwork:
    return ad.gates(awake(MODELS[name]()), IMAGES) if name in MODELS else gated(name)


@functools.cache
def slim(name: str) -> GatedNetwork:
    # Of a single channel a tensor's order in memory is either, and with it whether a view copies.
    return ad.choices(awake(MODELS[name]()), IMAGES, multiple=2) if name in MODELS else slimmed(name)


def timed(network: GatedNetwork, instead: float, spread: float = 0.0) -> CostTable:
    """A table in which all parts take one millisecond, but for those that may run instead of others."""
    plan = Plan.of(network, 0, [])
    plain = {part.key for term in plan.terms for parts in term.entries.values() for part in parts}
    timings = {part.key: Timing(1.0, 0.0) if part.key in plain else Timing(instead, spread) for part in plan.subjects()}
    return plan.table(timings, RUNTIME)


@functools.cache
def eager(network: GatedNetwork) -> CostTable:
    """A table by which layers are always faster as one."""
    return timed(network, 0.5)


def rows(network: GatedNetwork, table: CostTable, architecture: Architecture) -> list[tuple[str, ...]]:
    return table.merging(network.space.describe(architecture))


def compare(network: GatedNetwork, architecture: Architecture) -> list[tuple[str, ...]]:
    """Hold the table against the built member, and that against the one in which no layers are one."""
    table = eager(network)
    found = rows(network, table, architecture)
    plain = network.build(architecture).eval()
    built = network.merge(network.build(architecture).eval(), found)
    counts = count(built, (), network.calling.flat(network.example))
    costs = by_column(network.space, table)
    columns = ("parameters", "flops", "bytes")
    assert {name: costs[name].of(architecture) for name in columns} == {name: getattr(counts, name) for name in columns}
    assert PeakCost(network.space, table).of(architecture) >= counts.peak_bytes
    with torch.no_grad():
        close(output(built, inputs(network)), output(plain, inputs(network)), EXACT)
    return found


def sparse(network: GatedNetwork) -> st.SearchStrategy[Architecture]:
    """Architectures that drop each operation with odds of their own."""
    each = (st.sampled_from((0, len(choice.options) - 1)) for choice in network.space.choices)
    return st.tuples(*each).map(Architecture)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODELS, *NETWORKS])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_the_price_is_that_of_the_merged_member(name: str, data: st.DataObject) -> None:
    network = made(name)
    compare(network, network.canonical(data.draw(sparse(network))))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODELS, *SLIM])
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_with_widths_too(name: str, data: st.DataObject) -> None:
    network = slim(name)
    compare(network, network.canonical(data.draw(sparse(network))))
    (architecture,) = drawn(network.space, 1)
    compare(network, architecture)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(programs(), st.data())
def test_of_random_networks(network: GatedNetwork, data: st.DataObject) -> None:
    for _ in range(3):
        compare(network, network.canonical(data.draw(sparse(network))))


def dropping(network: GatedNetwork, *names: str) -> Architecture:
    taken = {choice.name: choice.options[-1 if choice.name in names else 0] for choice in network.space.choices}
    return network.space.parse(taken)


@pytest.mark.parametrize(
    ("model", "dropped", "merged"),
    [
        ("vgg", (), []),
        ("vgg", ("1",), [("0", "2")]),
        ("vgg", ("1", "2"), []),
        ("vgg", ("6", "11", "18"), [("5", "7"), ("10", "12"), ("17", "19")]),
        ("stem", ("2",), [("0", "1", "3")]),
        ("stem", ("1", "2"), [("0", "3")]),
        ("inverted", ("12",), [("11", "13")]),
        # What follows the first block has a shortcut too, which reads between.
        ("blocks", ("1.branch", "1.last"), []),
        ("blocks", ("2.again",), [("2.other", "2.c")]),
        ("blocks", ("2.again", "2.branch"), []),
    ],
)
def test_what_is_merged(model: str, dropped: tuple[str, ...], merged: list[tuple[str, ...]]) -> None:
    network = made(model)
    assert compare(network, dropping(network, *dropped)) == merged


def test_a_merged_layer_that_is_slower_is_left() -> None:
    network = made("vgg")
    everything = dropping(network, "6", "11", "18")
    assert len(rows(network, eager(network), everything)) == 3
    for table in (timed(network, 2.1), timed(network, 1.9, spread=0.1)):
        assert rows(network, table, everything) == []
        costs = {name: cost.of(everything) for name, cost in by_column(network.space, table).items()}
        plain = count(network.build(everything).eval(), (), network.calling.flat(network.example))
        assert (costs["parameters"], costs["flops"]) == (plain.parameters, plain.flops)


def test_the_fit_decides_where_there_is_one() -> None:
    network = made("stem")
    architecture, plan = dropping(network, "2"), Plan.of(network, 12, [])
    timings = {part.key: Timing(1.0, 0.0) for part in plan.subjects()}
    table = plan.table(timings, RUNTIME)
    assert table.fit is not None
    merged = [e.merged for term in table.terms for e in term.entries if e.merged is not None]
    assert merged and all(one.parts[0] in table.fit.parts_ms for one in merged)
    for number in (0.0, 9.0):
        prices = {**table.fit.parts_ms, **{one.parts[0]: number for one in merged}}
        changed = replace(table, fit=replace(table.fit, parts_ms={key: max(v, 1e-3) for key, v in prices.items()}))
        assert bool(rows(network, changed, architecture)) == (number == 0.0)
        cost = ExpectedCost(network.space, changed)
        keys = changed.runs(network.space.describe(architecture))
        plain = changed.fit.constant_ms + sum(count * changed.fit.parts_ms[key] for key, count in keys.items())
        assert (cost.of(architecture) < plain - 1e-6) == (number == 0.0)


def test_networks_for_the_fit_are_not_merged_and_those_of_a_check_are() -> None:
    network = made("vgg")
    plan = Plan.of(network, 12, [])
    merging = [rows(network, eager(network), architecture) for architecture in plan.architectures]
    assert any(merging)
    checked = list(subjects(network, plan.architectures, merging))
    for subject, one, architecture, found in zip(
        plan.subjects()[-len(merging) :], checked[1:], plan.architectures, merging, strict=True
    ):
        names = [name for name, _ in network.build(architecture).named_modules()]
        assert [name for name, _ in subject.module.named_modules()] == names
        assert len([name for name, _ in one.module.named_modules()]) == len(names) - sum(len(row) - 1 for row in found)


def test_a_device_fills_in_what_layers_take_as_one() -> None:
    network = made("stem")
    plan = Plan.of(network, 0, [])
    value = plan.unfitted({part.key: Timing(0.0, 0.0) for part in plan.subjects()}, RUNTIME).to_json()
    table = CostTable.from_json(filled(value, {part.key: Timing(2.0, 0.1) for part in plan.subjects()}))
    merged = [entry.merged for term in table.terms for entry in term.entries if entry.merged is not None]
    assert merged and {(one.latency_ms, round(one.latency_spread, 6)) for one in merged} == {(2.0, 0.1)}
    assert rows(network, table, dropping(network, "2")) == [("0", "1", "3")]


@pytest.mark.parametrize("name", ["nested", "encoder"])
def test_where_nothing_can_be_one_terms_and_tables_are_as_ever(name: str) -> None:
    network = gated(name)
    assert not any(plan.merging for plan in network.terms())
    value = eager(network).to_json()
    assert "merged" not in json.dumps(value)


def test_a_table_with_merged_layers_comes_back() -> None:
    network = made("vgg")
    table = eager(network)
    value = json.loads(json.dumps(table.to_json()))
    assert value == table.to_json() and CostTable.from_json(value) == table
    entry = next(e for term in value["terms"] for e in term["entries"] if "merged" in e)
    for change, said in (
        ({"parts": ["no such part"]}, "names a part that does not exist"),
        ({"latency_ms": 7.0}, "latency_ms"),
        ({"layers": ["0"]}, "layers"),
        ({"flops": -1}, "flops"),
    ):
        spoilt = copy.deepcopy(value)
        found = next(e for term in spoilt["terms"] for e in term["entries"] if e == entry)
        found["merged"].update(change)
        with pytest.raises(UsageError, match=said):
            CostTable.from_json(spoilt)


def test_layers_that_do_not_follow_each_other_are_refused() -> None:
    network = made("vgg")
    for names in (("0", "5"), ("2", "0"), ("0", "no"), ("0", "0"), ("0",)):
        with pytest.raises(UsageError, match="are not consecutive"):
            network.merge(network.build(dropping(network, "1")).eval(), [names])
