"""Baselines on a family whose accuracies follow a known law: budgets kept, distinct architectures, the greedy order."""

from __future__ import annotations

import pytest
import torch

from archdial.common.metrics import hypervolume
from archdial.comparing.baselines import BASELINES, Baseline, Greedy, Judge, Knapsack, Nsga2, Random, Search, Single
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from tests.toy import Toy


def judge(budget: int) -> Judge:
    return Judge(lambda a: Evaluated(a, Toy.accuracy(a), 1 - Toy.accuracy(a), ACCURACY), budget)


def seen(toy: Toy, baseline: Baseline, budget: int, seed: int = 0) -> list[Evaluated]:
    asked = judge(budget)
    assert isinstance(baseline, Search)
    baseline.search(toy.family, asked, torch.Generator().manual_seed(seed))
    return list(asked.seen.values())


QUICK = {
    **{name: one for name, one in BASELINES.items() if not one.trains},
    "single": Single(searches=2, dial_steps=10),
}


@pytest.mark.slow
@pytest.mark.parametrize("baseline", QUICK.values(), ids=list(QUICK))
@pytest.mark.parametrize("budget", [1, 3, 40])
def test_a_baseline_keeps_to_its_budget(toy: Toy, baseline: Baseline, budget: int) -> None:
    found = seen(toy, baseline, budget)
    assert 1 <= len(found) <= budget
    assert len({item.architecture for item in found}) == len(found)
    for item in found:
        toy.family.space.check(item.architecture)


def test_a_judge_asks_once_and_no_more_than_it_may() -> None:
    asked: list[Architecture] = []

    def evaluate(architecture: Architecture) -> Evaluated:
        asked.append(architecture)
        return Evaluated(architecture, 0.5, 0.0, ACCURACY)

    first, second = Architecture((0, 0)), Architecture((0, 1))
    limited = Judge(evaluate, 1)
    assert limited(first) is limited(first) and asked == [first]
    with pytest.raises(RuntimeError, match="no evaluations left"):
        limited(second)
    assert asked == [first] and limited.left == 0


def test_random_fills_its_budget_over_the_range_and_follows_its_seed(toy: Toy) -> None:
    found = seen(toy, Random(), 60)
    assert len(found) == 60 and found == seen(toy, Random(), 60) != seen(toy, Random(), 60, seed=1)
    cost = toy.family.costs["latency_ms"]
    shares = [(cost.of(item.architecture) - cost.lowest) / (cost.highest - cost.lowest) for item in found]
    assert min(shares) < 0.1 and max(shares) > 0.7


def test_random_ends_where_the_space_is_used_up(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdial.comparing.baselines.random.TRIES", 5)
    assert len(toy.every) == 1024
    assert len(seen(toy, Random(), 1100)) <= 1024


def test_greedy_goes_from_the_dearest_to_the_cheapest_by_what_is_lost_a_millisecond(toy: Toy) -> None:
    cost = toy.family.costs["latency_ms"]
    found = [item.architecture for item in seen(toy, Greedy(), 10_000)]
    assert found[0] == cost.extremes()[1]
    assert min(cost.of(architecture) for architecture in found) == pytest.approx(cost.lowest)


def test_the_first_step_is_the_best_of_all_single_changes(toy: Toy) -> None:
    cost = toy.family.costs["latency_ms"]
    start = cost.extremes()[1]
    singles = {
        Architecture((*start.options[:row], option, *start.options[row + 1 :]))
        for row in range(5)
        for option in range(4)
        if option != start.options[row]
    }
    cheaper = [a for a in singles if cost.of(a) < cost.of(start) - 1e-9]
    best = min(cheaper, key=lambda a: (Toy.accuracy(start) - Toy.accuracy(a)) / (cost.of(start) - cost.of(a)))
    found = [item.architecture for item in seen(toy, Greedy(), 10_000)]
    assert set(found[1 : 1 + len(cheaper)]) == set(cheaper)
    # What follows is one change away from the first step.
    after = found[1 + len(cheaper)]
    assert sum(a != b for a, b in zip(after.options, best.options, strict=True)) == 1


def volume(toy: Toy, found: list[Evaluated]) -> float:
    cost = toy.family.costs["latency_ms"]
    costs = [cost.of(item.architecture) for item in found]
    return hypervolume(costs, [item.accuracy for item in found], reference_cost=cost.highest)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nsga2", "knapsack", "single"])
def test_a_search_follows_its_seed_and_finds_a_front(toy: Toy, name: str) -> None:
    found = seen(toy, QUICK[name], 60)
    assert found == seen(toy, QUICK[name], 60)
    every = [Evaluated(a, Toy.accuracy(a), 0.0, ACCURACY) for a in toy.every]
    assert volume(toy, found) > 0.9 * volume(toy, every)


@pytest.mark.slow
def test_nsga2_goes_on_where_generations_repeat_themselves(toy: Toy) -> None:
    found = seen(toy, Nsga2(), 300)
    assert 200 < len(found) <= 300


@pytest.mark.slow
def test_a_knapsack_is_the_optimum_where_losses_add_up(toy: Toy) -> None:
    """Of a law that is additive the knapsack knows all once it has seen each single change."""
    family, cost = toy.family, toy.family.costs["latency_ms"]
    asked = judge(100)
    Knapsack().search(family, asked, torch.Generator().manual_seed(0))
    changes = sum(len(choice.options) - 1 for choice in family.space.choices)
    for item in list(asked.seen.values())[1 + changes :]:
        assert item.accuracy >= toy.best(latency_ms=cost.of(item.architecture)) - 1e-6


@pytest.mark.slow
def test_one_search_a_lambda_leaves_the_family_alone(toy: Toy) -> None:
    before = {name: value.clone() for name, value in toy.family.network.state_dict().items()}
    seen(toy, QUICK["single"], 8)
    assert all(value.equal(before[name]) for name, value in toy.family.network.state_dict().items())
