"""A cheaper member that is as good within the noise of the evaluation is offered, and no other."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from archdial.families.evaluated import EVALUATED, examples_in
from archdial.families.family import Family
from archdial.tasks.measure import ACCURACY, LESS, Measure
from tests.families.promised import evaluated_on, with_errors
from tests.toy import Toy


def expected(toy: Toy, examples: int, **limits: float) -> float | None:
    """The least latency within one standard error of the best, by looking at all; None where that saves too little."""
    costs = toy.family.costs
    meeting = [
        (costs["latency_ms"].of(a), toy.accuracy(a))
        for a in toy.every
        if all(costs[column].of(a) <= limit * (1 + 1e-9) for column, limit in limits.items())
    ]
    best = max(accuracy for _, accuracy in meeting)
    dear = min(ms for ms, accuracy in meeting if accuracy == best)
    noise = math.sqrt(best * (1 - best) / examples)
    cheap = min((ms for ms, accuracy in meeting if accuracy >= best - noise), default=math.inf)
    return cheap if cheap <= LESS * dear else None


@pytest.mark.parametrize("examples", [20, 100, 500, 2_000, 10**6])
@pytest.mark.parametrize("part", [0.4, 0.7, 1.0])
def test_it_is_the_cheapest_within_one_standard_error(full_toy: Toy, examples: int, part: float) -> None:
    cost = full_toy.family.costs["latency_ms"]
    budget = cost.lowest + part * (cost.highest - cost.lowest)
    member = evaluated_on(full_toy.family, examples).within(latency_ms=budget)
    least = expected(full_toy, examples, latency_ms=budget)
    assert (member.cheaper is None) == (least is None)
    if member.cheaper is not None:
        assert member.cheaper.latency_ms == pytest.approx(least)
        noise = ACCURACY.standard_error(member.score, examples)
        assert noise is not None and member.score - member.cheaper.score <= noise
        assert member.cheaper.cheaper is None and member.cheaper.score_from == "measured"


def test_a_few_examples_offer_more_than_many(full_toy: Toy) -> None:
    few, many = (evaluated_on(full_toy.family, count).within(latency_ms=1e9) for count in (20, 10**7))
    assert few.cheaper is not None and many.cheaper is None
    assert few.architecture == many.architecture


def test_asking_for_it_gives_it(full_toy: Toy) -> None:
    family = with_errors(evaluated_on(full_toy.family, 100))
    vars(family)["residuals"] = (0.03, -0.03) * 8
    cheaper = family.within(latency_ms=1e9).cheaper
    assert cheaper is not None and cheaper.confidence == 0.95
    again = family.within(latency_ms=cheaper.promised_ms * (1 + 1e-9))
    assert again.architecture == cheaper.architecture


def test_it_meets_the_other_budgets_too(full_toy: Toy) -> None:
    costs = full_toy.family.costs
    limits = {column: 0.2 * costs[column].lowest + 0.8 * costs[column].highest for column in ("parameters", "flops")}
    member = evaluated_on(full_toy.family, 20).within(params=limits["parameters"], flops=limits["flops"])
    assert member.cheaper is not None
    assert member.cheaper.parameters <= LESS * member.parameters and member.cheaper.flops <= limits["flops"]


def test_it_stands_in_the_json(full_toy: Toy) -> None:
    member = evaluated_on(full_toy.family, 100).within(latency_ms=1e9)
    value = json.loads(json.dumps(member.to_json()))
    assert member.cheaper is not None and value["cheaper"] == json.loads(json.dumps(member.cheaper.to_json()))
    assert full_toy.family.at(0.1).to_json()["cheaper"] is None


@pytest.mark.parametrize("measure", [Measure("macro F1"), Measure("RMSE", False, 0.0, False)])
def test_of_other_scores_nothing_is_known(measure: Measure) -> None:
    assert measure.standard_error(0.5, 1_000) is None
    assert ACCURACY.standard_error(0.5, 10_000) == pytest.approx(0.005)
    assert ACCURACY.standard_error(0.5, None) is None and ACCURACY.standard_error(1.5, 10) is None


INFO = {"images": {"validation": 300}, "config": {"search": {"evaluation_images": 200}}}


@pytest.mark.parametrize(
    ("info", "images", "found"),
    [
        (INFO, True, 200),
        # Of data of the user's own an older archdial counted batches, perhaps.
        (INFO, False, None),
        ({**INFO, "images": {"validation": 300, EVALUATED: 50}}, False, 50),
        ({**INFO, "images": {"validation": 100}}, True, 100),
        ({"images": {"validation": 300}}, True, None),
        ({"images": {"validation": "many", EVALUATED: True}, "config": {"search": 3}}, True, None),
        ({"images": [], "config": None}, True, None),
        ({}, True, None),
    ],
)
def test_how_many_examples_there_were(info: dict[str, object], images: bool, found: int | None) -> None:
    assert examples_in(info, images=images) == found


def test_where_nobody_counted_nothing_is_offered(full_toy: Toy) -> None:
    family: Family = replace(full_toy.family, info={})
    assert family.examples is None and family.within(latency_ms=1e9).cheaper is None
