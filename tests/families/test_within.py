"""What `within` promises: a margin for the table's own error, said in the answer and kept."""

from __future__ import annotations

import json
import re

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.cost.table.margin import margin
from tests.families.promised import ERRORS, with_errors
from tests.toy import Toy


def between(toy: Toy, part: float, column: str = "latency_ms") -> float:
    cost = toy.family.costs[column]
    return cost.lowest + part * (cost.highest - cost.lowest)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("part", [0.3, 0.6, 1.0])
def test_the_margin_is_kept_and_said(full_toy: Toy, part: float, confidence: float) -> None:
    family, budget = with_errors(full_toy.family), between(full_toy, part)
    kept = margin(ERRORS, confidence)
    member = family.within(latency_ms=budget, confidence=confidence)
    assert kept is not None and member.latency_ms * (1 + kept) <= budget * (1 + 1e-9)
    assert member.accuracy == full_toy.best(latency_ms=budget / (1 + kept))
    assert member.promised_ms == pytest.approx(member.latency_ms * (1 + kept))
    assert (member.confidence, member.measured_ms) == (confidence, None)
    assert json.loads(json.dumps(member.to_json()))["promise"] == {
        "budget_ms": budget,
        "latency_ms": member.promised_ms,
        "confidence": confidence,
        "margin": kept,
        "predicted_ms": member.latency_ms,
        "measured_ms": None,
    }


def test_what_is_sure_by_default(toy: Toy) -> None:
    member = with_errors(toy.family).within(latency_ms=between(toy, 0.5))
    assert member.confidence == 0.95 and member.promise.margin == margin(ERRORS, 0.95)


def test_without_a_margin_it_answers_as_before(toy: Toy) -> None:
    """A table that holds no errors promises nothing beyond its prediction, and says so."""
    for part in (0.0, 0.4, 0.9):
        budget = between(toy, part)
        plain, sure = toy.family.within(latency_ms=budget), with_errors(toy.family).within
        assert plain.architecture == sure(latency_ms=budget, confidence=0.5).architecture
        assert (plain.confidence, plain.promise.margin, plain.promised_ms) == (None, None, plain.latency_ms)


@pytest.mark.parametrize("column", ["params", "flops"])
def test_what_is_counted_is_exact(toy: Toy, column: str) -> None:
    family, name = with_errors(toy.family), {"params": "parameters"}.get(column, column)
    limit = between(toy, 0.4, name)
    found = [family.within(**{column: limit}, confidence=confidence) for confidence in (0.5, 0.99)]
    assert found[0] == found[1] == toy.family.within(**{column: limit})
    assert found[0].promise is None and found[0].to_json()["promise"] is None
    least = toy.family.costs[name].lowest
    assert getattr(family.within(**{column: least}), name) == least


def test_a_position_of_the_dial_promises_nothing(toy: Toy) -> None:
    member = with_errors(toy.family).at(0.3)
    assert (member.promise, member.promised_ms, member.confidence, member.measured_ms) == (None,) * 4


def test_within_reach_only_without_the_margin(toy: Toy) -> None:
    family = with_errors(toy.family)
    lowest = family.costs["latency_ms"].lowest
    with pytest.raises(
        UsageError, match=r"can only be met without the margin of \d\.\d%.*confidence of 0\.95"
    ) as error:
        family.within(latency_ms=lowest * 1.001)
    said = str(error.value)
    assert "confidence=0.5 (--confidence 0.5)" in said and "measured=True (--measure)" in said
    assert family.within(latency_ms=lowest * 1.001, confidence=0.5).latency_ms <= lowest * 1.001
    (least,) = re.findall(r"promised within ([\d.]+) ms", said)
    assert family.within(latency_ms=float(least)).promised_ms <= float(least)
    with pytest.raises(UsageError, match="can only be met without the margin"):
        family.within(latency_ms=float(least) * 0.998)
    # Out of reach either way, as ever.
    with pytest.raises(UsageError, match="out of reach: this family covers"):
        family.within(latency_ms=lowest * 0.99)


def test_budgets_that_only_the_margin_keeps_apart(full_toy: Toy) -> None:
    """The cheapest in one is not in the other: each is within reach alone."""
    family = with_errors(full_toy.family, [0.2] * 12)
    costs = full_toy.family.costs
    slow = max(full_toy.every, key=costs["latency_ms"].of)
    small = costs["parameters"].of(slow)
    pairs = [(costs["latency_ms"].of(one), costs["parameters"].of(one)) for one in full_toy.every]
    latency = min(ms for ms, params in pairs if params >= small)
    assert full_toy.family.within(latency_ms=latency, params=small).accuracy > 0
    both = {"latency_ms": costs["latency_ms"].lowest * 1.5, "params": costs["parameters"].lowest}
    assert family.within(**both).promised_ms <= both["latency_ms"]


@pytest.mark.parametrize("confidence", [0.4, 1.0, -1.0, float("nan"), 95])
def test_no_such_confidence(toy: Toy, confidence: float) -> None:
    for budgets in ({"latency_ms": 1e9}, {"params": 1e9}):
        with pytest.raises(UsageError, match=r"confidence is .*expected a number from 0\.5"):
            toy.family.within(**budgets, confidence=confidence)


def test_only_milliseconds_are_measured(toy: Toy) -> None:
    with pytest.raises(UsageError, match=r"measured=True \(--measure\) requires latency_ms"):
        toy.family.within(params=1e9, measured=True)
    with pytest.raises(UsageError, match="needs a budget"):
        toy.family.within(measured=True)


def test_it_is_the_same_each_time_and_draws_nothing(toy: Toy) -> None:
    family, state = with_errors(toy.family), torch.get_rng_state()
    budget = between(toy, 0.5)
    assert family.within(latency_ms=budget) == family.within(latency_ms=budget)
    assert torch.get_rng_state().equal(state)
