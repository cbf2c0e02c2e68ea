"""Metrics against closed forms and against slow, plain countings."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archdial.common.errors import UsageError
from archdial.common.metrics import area_under_curve, best_within, hypervolume, kendall_tau, pareto_front, spearman

# A coarse grid, so that ties are frequent.
POINTS = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=12)


def split(points: list[tuple[int, int]]) -> tuple[list[float], list[float]]:
    return [float(cost) for cost, _ in points], [accuracy / 8 for _, accuracy in points]


def test_front_drops_what_is_dominated_and_repeats() -> None:
    costs = [3.0, 1.0, 2.0, 2.0, 1.0, 4.0]
    accuracies = [0.9, 0.5, 0.7, 0.6, 0.5, 0.9]
    assert pareto_front(costs, accuracies) == [1, 2, 0]


def test_front_takes_tensors_and_nothing() -> None:
    assert pareto_front(torch.tensor([2.0, 1.0]), torch.tensor([0.9, 0.8])) == [1, 0]
    assert pareto_front([], []) == []


@given(POINTS)
@settings(max_examples=100, deadline=None)
def test_front_is_what_no_point_dominates(points: list[tuple[int, int]]) -> None:
    def dominated(point: tuple[int, int]) -> bool:
        return any(o != point and o[0] <= point[0] and o[1] >= point[1] for o in points)

    costs, accuracies = split(points)
    front = pareto_front(costs, accuracies)
    assert [points[i] for i in front] == sorted({p for p in points if not dominated(p)})


def test_hypervolume_of_two_steps() -> None:
    # 1 → 3 at 0.5, 2 → 3 at 0.3 more; the third point lies beyond the reference.
    value = hypervolume([1.0, 2.0, 5.0], [0.5, 0.8, 0.99], reference_cost=3.0)
    assert value == pytest.approx(2 * 0.5 + 1 * 0.3)


def test_hypervolume_above_a_reference_accuracy() -> None:
    assert hypervolume([1.0], [0.5], reference_cost=3.0, reference_accuracy=0.1) == pytest.approx(0.8)
    assert hypervolume([1.0], [0.05], reference_cost=3.0, reference_accuracy=0.1) == 0.0
    assert hypervolume([], [], reference_cost=3.0) == 0.0


@given(POINTS)
@settings(max_examples=100, deadline=None)
def test_hypervolume_counts_the_dominated_squares(points: list[tuple[int, int]]) -> None:
    costs, accuracies = split(points)
    squares = sum(any(c <= x and a > y for c, a in points) for x in range(6) for y in range(8))
    assert hypervolume(costs, accuracies, reference_cost=6.0) == pytest.approx(squares / 8)


def test_area_of_one_step() -> None:
    assert area_under_curve([2.0], [0.8], full_cost=4.0) == pytest.approx(0.4)
    assert area_under_curve([2.0, 3.0], [0.8, 1.0], full_cost=4.0) == pytest.approx(0.25 * 0.8 + 0.25)
    assert area_under_curve([5.0], [0.8], full_cost=4.0) == 0.0
    assert area_under_curve([], [], full_cost=4.0) == 0.0


def test_what_the_area_is_chosen_by_need_not_be_what_it_sums() -> None:
    # Within 3 the second looks best, and is not; within 2 there is only the first.
    accuracies, seen = [0.8, 0.6, 0.9], [0.5, 0.7, 0.6]
    area = area_under_curve([2.0, 3.0, 3.5], accuracies, full_cost=4.0, chosen_by=seen)
    assert area == pytest.approx((1 * 0.8 + 1 * 0.6) / 4)
    assert area_under_curve([2.0], [0.8], full_cost=4.0, chosen_by=[0.1]) == pytest.approx(0.4)


@given(POINTS)
@settings(max_examples=100, deadline=None)
def test_area_is_the_mean_best_accuracy(points: list[tuple[int, int]]) -> None:
    costs, accuracies = split(points)
    best = [max((a for c, a in zip(costs, accuracies, strict=True) if c <= budget), default=0) for budget in range(6)]
    assert area_under_curve(costs, accuracies, full_cost=6.0) == pytest.approx(sum(best) / 6)


@pytest.mark.parametrize("full_cost", [0.0, -1.0, math.nan, math.inf])
def test_area_needs_a_positive_full_cost(full_cost: float) -> None:
    with pytest.raises(UsageError, match="full_cost"):
        area_under_curve([1.0], [0.5], full_cost=full_cost)


@pytest.mark.parametrize("correlation", [spearman, kendall_tau])
def test_correlations_at_their_ends(correlation) -> None:  # type: ignore[no-untyped-def]
    assert correlation([1, 2, 3, 9], [10, 20, 30, 31]) == pytest.approx(1.0)
    assert correlation(torch.tensor([1.0, 2.0, 3.0]), [3, 2, 1]) == pytest.approx(-1.0)
    assert math.isnan(correlation([1, 1, 1], [1, 2, 3]))
    assert math.isnan(correlation([], []))


def test_correlations_with_ties_by_hand() -> None:
    # Ranks 1, 2.5, 2.5, 4 against 1..4.
    assert spearman([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(4.5 / math.sqrt(4.5 * 5))
    # Five concordant pairs, one tie in x.
    assert kendall_tau([1, 2, 2, 3], [1, 2, 3, 4]) == pytest.approx(5 / math.sqrt(5 * 6))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=15))
@settings(max_examples=100, deadline=None)
def test_correlations_match_pair_by_pair_counting(pairs: list[tuple[int, int]]) -> None:
    x, y = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(kendall_tau(x, y)) and math.isnan(spearman(x, y))
        return
    assert kendall_tau(x, y) == pytest.approx(slow_tau(x, y))
    assert spearman(x, y) == pytest.approx(float(np.corrcoef(slow_ranks(x), slow_ranks(y))[0, 1]))


def slow_tau(x: list[float], y: list[float]) -> float:
    balance, in_x, in_y = 0, 0, 0
    for i in range(len(x)):
        for j in range(i):
            product = (x[i] - x[j]) * (y[i] - y[j])
            balance += (product > 0) - (product < 0)
            in_x += x[i] != x[j]
            in_y += y[i] != y[j]
    return balance / math.sqrt(in_x * in_y)


def slow_ranks(values: list[float]) -> list[float]:
    return [sum(o < v for o in values) + (values.count(v) + 1) / 2 for v in values]


def test_malformed_points_are_refused() -> None:
    with pytest.raises(UsageError, match="the same length"):
        pareto_front([1.0], [0.5, 0.6])
    with pytest.raises(UsageError, match="NaN or infinite"):
        hypervolume([math.nan], [0.5], reference_cost=1.0)
    with pytest.raises(UsageError, match="NaN or infinite"):
        hypervolume([1.0], [0.5], reference_cost=math.inf)


def test_best_within_is_that_of_the_point_chosen() -> None:
    costs, accuracies, validation = [1.0, 2.0, 3.0], [0.5, 0.7, 0.6], [0.6, 0.5, 0.9]
    assert [best_within(costs, accuracies, limit) for limit in (0.5, 1.0, 2.5, 9.0)] == [0.0, 0.5, 0.7, 0.7]
    chosen = [best_within(costs, accuracies, limit, chosen_by=validation) for limit in (1.0, 2.5, 9.0)]
    assert chosen == [0.5, 0.5, 0.6]
