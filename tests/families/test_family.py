"""A family whose optimum is known: budgets, the dial, the front."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.dial import Scalar
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.space import Architecture
from tests.networks.examples import inputs
from tests.toy import Toy


def limits(family: Family, column: str, count: int) -> list[float]:
    cost = family.costs[column]
    return torch.linspace(0, 1, count, dtype=torch.float64).mul(cost.highest - cost.lowest).add(cost.lowest).tolist()


@pytest.mark.parametrize("part", range(7))
def test_within_is_the_optimum_where_all_was_evaluated(full_toy: Toy, part: int) -> None:
    family = full_toy.family
    limit = limits(family, "latency_ms", 7)[part]
    member = family.within(latency_ms=limit)
    assert member.latency_ms <= limit * (1 + 1e-9)
    assert member.accuracy == full_toy.best(latency_ms=limit)
    assert member.accuracy_from == "measured"


@pytest.mark.parametrize("part", range(7))
def test_within_is_near_the_optimum_where_a_tenth_was_evaluated(toy: Toy, part: int) -> None:
    family = toy.family
    assert len(family.archive) < len(toy.every) / 8
    limit = limits(family, "latency_ms", 7)[part]
    member = family.within(latency_ms=limit)
    assert member.latency_ms == family.costs["latency_ms"].of(member.architecture) <= limit * (1 + 1e-9)
    truth = toy.accuracy(member.architecture)
    assert truth >= toy.best([item.architecture for item in family.archive], latency_ms=limit)
    assert truth >= toy.best(latency_ms=limit) - 0.03
    # It had to promise a standard deviation more than was seen, so at most one law of the ensemble is wrong.
    assert member.accuracy == pytest.approx(truth, abs=0.02)


def test_within_keeps_several_budgets_at_once(toy: Toy) -> None:
    family, costs = toy.family, toy.family.costs
    middle = {column: limits(family, column, 5)[2] for column in ("parameters", "flops")}
    latency = limits(family, "latency_ms", 5)[1]
    found = {
        "one": family.within(latency_ms=latency),
        "all": family.within(latency_ms=latency, params=middle["parameters"], flops=middle["flops"]),
    }
    both = found["all"]
    assert both.latency_ms <= latency
    assert both.parameters <= middle["parameters"]
    assert both.flops <= middle["flops"]
    best = toy.best(latency_ms=latency, **middle)
    assert best - 0.03 <= toy.accuracy(both.architecture) <= best
    assert toy.accuracy(found["one"].architecture) >= toy.accuracy(both.architecture) - 0.03
    assert costs["parameters"].of(both.architecture) == both.parameters


@pytest.mark.parametrize("column", ["params", "flops"])
def test_within_each_other_column(full_toy: Toy, column: str) -> None:
    name = {"params": "parameters"}.get(column, column)
    limit = limits(full_toy.family, name, 5)[2]
    member = full_toy.family.within(**{column: limit})
    assert getattr(member, name) <= limit
    assert member.accuracy == full_toy.best(**{name: limit})


def test_within_is_the_same_each_time(toy: Toy) -> None:
    limit = limits(toy.family, "latency_ms", 5)[2]
    before = torch.get_rng_state()
    assert toy.family.within(latency_ms=limit) == toy.family.within(latency_ms=limit)
    assert torch.get_rng_state().equal(before)


def test_the_cheapest_is_exactly_within_its_own_cost(full_toy: Toy) -> None:
    cost = full_toy.family.costs["latency_ms"]
    assert full_toy.family.within(latency_ms=cost.lowest).latency_ms == cost.lowest


def test_a_generous_budget_gives_the_best_of_all(full_toy: Toy) -> None:
    assert full_toy.family.within(latency_ms=1e9).accuracy == pytest.approx(0.9)


def test_wrong_budgets(toy: Toy) -> None:
    with pytest.raises(UsageError, match="pass at least one of latency_ms, params, flops"):
        toy.family.within()
    cost = toy.family.costs["latency_ms"]
    reach = rf"{cost.lowest:.4g} to {cost.highest:.4g} ms"
    for limit in (cost.lowest * 0.99, 0.0, -1.0, float("nan"), -float("inf")):
        with pytest.raises(UsageError, match=rf"out of reach: this family covers {reach}"):
            toy.family.within(latency_ms=limit)
    with pytest.raises(UsageError, match=r"out of reach: .* parameters"):
        toy.family.within(latency_ms=1e9, params=1)


def test_budgets_that_exclude_each_other(toy: Toy) -> None:
    """Pools are slow and have no parameters here, convolutions the other way round."""
    family = toy.family
    table = family.table.to_json()
    # What edges share comes after the terms of the fixed parts and of each choice.
    del table["terms"][1 + len(family.space.choices) :]
    for term in table["terms"]:
        for entry in term["entries"]:
            option = entry["options"][0] if entry["options"] else "fixed"
            entry["latency_ms"] = {"sep_conv_3x3": 1.0, "fixed": 1.0}.get(option, 2.0)
            entry["parameters"] = {"sep_conv_3x3": 100}.get(option, 0)
    other = replace(family, table=type(family.table).from_json(table))
    fast, small = other.within(latency_ms=6.0), other.within(params=0)
    assert fast.architecture == other.space.uniform("sep_conv_3x3")
    assert other.space.counts(small.architecture)["sep_conv_3x3"] == 0
    with pytest.raises(UsageError, match=r"no architecture meets 6 ms and 0 parameters at once"):
        other.within(latency_ms=6.0, params=0)


def test_at_is_what_the_hypernetwork_names(toy: Toy) -> None:
    family = toy.family
    accurate, cheap = family.at(0.01), family.at(10.0)
    assert accurate.architecture == family.space.uniform("sep_conv_3x3")
    assert cheap.architecture == family.space.uniform("identity")
    assert (accurate.dial, cheap.dial) == pytest.approx((0.01, 10.0))
    beyond = family.at(500.0)
    assert beyond.architecture == cheap.architecture
    for value in (0.0, -1.0, 1e6, 1e-9, float("nan"), [1.0, 2.0]):
        with pytest.raises(UsageError, match="expected"):
            family.at(value)


def test_along_the_dial(toy: Toy) -> None:
    family = toy.family
    members = family.along(16)
    assert [m.dial for m in members] == pytest.approx(Scalar(0.01, 10.0).grid(16).flatten().tolist())
    for member in members:
        assert isinstance(member.dial, float)
        assert member == family.at(member.dial)
    latencies = [m.latency_ms for m in members]
    assert latencies == sorted(latencies, reverse=True)
    assert len(set(latencies)) >= 5


@pytest.mark.parametrize("column", ["latency_ms", "parameters"])
def test_front_is_what_no_other_beats(toy: Toy, column: str) -> None:
    family = replace(toy.family, column=column)
    found = family.front()
    cost = family.costs[column]
    points = [(cost.of(m.architecture), m.accuracy) for m in found]
    assert points == sorted(points)
    assert [a for _, a in points] == sorted({a for _, a in points})
    everything = [(cost.of(item.architecture), item.accuracy) for item in family.archive]
    for price, accuracy in everything:
        assert any(c <= price and a >= accuracy for c, a in points)
        assert not any(price <= c and accuracy > a for c, a in points)
    assert all(m.accuracy_from == "measured" and m.dial is not None for m in found)


def test_dial_position_of_a_member_is_where_it_is_likely(toy: Toy) -> None:
    family = toy.family
    for option, near in (("sep_conv_3x3", 0.01), ("identity", 10.0)):
        architecture = family.space.uniform(option)
        limit = family.costs["latency_ms"].of(architecture)
        rigged = replace(family, archive=(replace(family.archive[0], architecture=architecture, score=0.99),))
        member = rigged.within(latency_ms=limit)
        assert member.architecture == architecture
        assert member.dial == pytest.approx(near)


def test_json_of_a_member(toy: Toy) -> None:
    family = toy.family
    evaluated = family.archive[0]
    value = json.loads(json.dumps(family.member(evaluated.architecture, 0.5).to_json()))
    promised = {"dial", "architecture", "accuracy", "latency_ms", "parameters", "flops"}
    assert promised <= value.keys()
    assert value["dial"] == 0.5
    assert family.space.parse(value["architecture"]) == evaluated.architecture
    assert value["accuracy"] == evaluated.accuracy
    assert sum(value["counts"].values()) == 5
    assert value["provenance"]["accuracy"] == "measured"
    assert value["provenance"]["accuracy_split"] == "validation"
    assert value["provenance"]["latency_ms"] == "predicted"
    assert value["provenance"]["weights"] == "inherited"
    figures = {"accuracy", "latency_ms", "parameters", "flops"}
    assert figures <= value["provenance"].keys()


def test_what_was_not_evaluated_is_predicted_and_says_so(toy: Toy) -> None:
    seen = {item.architecture for item in toy.family.archive}
    unseen = [a for a in toy.every if a not in seen]
    members = [toy.family.member(a) for a in unseen[::40]]
    assert {m.accuracy_from for m in members} == {"predicted"}
    for member in members:
        assert 0 <= member.accuracy <= 1
        assert member.accuracy == pytest.approx(toy.accuracy(member.architecture), abs=0.08)
        assert member.to_json()["provenance"]["accuracy"] == "predicted"


def test_figures_are_those_of_the_built_module(toy: Toy) -> None:
    for architecture in toy.every[::150]:
        member = toy.family.member(architecture)
        module = member.build()
        assert sum(p.numel() for p in module.parameters()) == member.parameters
        inner = [p.numel() for n, p in module.named_parameters() if ".edges." in n]
        assert sum(inner) == member.cell_parameters


def test_build_has_the_statistics_of_its_own_architecture(toy: Toy) -> None:
    """Built after others, in whatever order: the same module."""
    family = toy.family
    images = inputs(family.network)
    first, second = (family.member(a) for a in (toy.every[1023], toy.every[700]))
    before = first.build()(images)
    other = second.build()(images)
    after = first.build()
    assert after(images).equal(before)
    assert not before.allclose(other)
    assert not after.training
    # In training mode one batch has exactly the statistics of the calibration images, but for n / (n - 1).
    calibration = family.normalize(family.calibration)
    torch.testing.assert_close(after(calibration), after.train()(calibration), atol=0.02, rtol=0.02)


def test_architectures_of_another_space(toy: Toy) -> None:
    for options in ((0,), (0, 0, 0, 0, 4)):
        with pytest.raises(UsageError):
            toy.family.member(Architecture(options))


def test_members_compare_by_their_figures(toy: Toy) -> None:
    one, same = toy.family.member(toy.every[3]), toy.family.member(toy.every[3])
    assert one == same
    assert isinstance(one, Member)
    assert one != toy.family.member(toy.every[4])
