"""The range of λ: slopes of the lower hull of cost and loss."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archdial.dial import Budget, OperationSimplex, Scalar, Tradeoff
from archdial.dial.range import MARGIN, hull_slopes, penalty_range

CONVEX = Tradeoff(torch.tensor([1.0, 0.6, 0.5, 0.48]), torch.tensor([0.0, 0.1, 0.5, 1.0]))
"""Slopes -4, -1/4 and -1/25."""


def trade(points: list[tuple[float, float]]) -> Tradeoff:
    costs, losses = zip(*points, strict=True)
    return Tradeoff(torch.tensor(losses, dtype=torch.float64), torch.tensor(costs, dtype=torch.float64))


def test_slopes_of_a_convex_curve() -> None:
    assert hull_slopes(CONVEX.costs, CONVEX.losses) == pytest.approx([4.0, 0.25, 0.04], rel=1e-4)
    order = torch.tensor([2, 0, 3, 1])
    assert hull_slopes(CONVEX.costs[order], CONVEX.losses[order]) == pytest.approx([4.0, 0.25, 0.04], rel=1e-4)


def test_range_reaches_a_margin_beyond_the_first_and_last_change() -> None:
    assert penalty_range(CONVEX) == pytest.approx((0.04 / MARGIN, 4.0 * MARGIN), rel=1e-4)


def test_points_above_the_hull_change_nothing() -> None:
    above = torch.tensor([1.2, 0.9, 0.7, 0.9, 0.6]), torch.tensor([0.0, 0.05, 0.1, 0.9, 1.0])
    more = Tradeoff(torch.cat((CONVEX.losses, above[0])), torch.cat((CONVEX.costs, above[1])))
    assert penalty_range(more) == penalty_range(CONVEX)


def test_only_the_falling_part_of_the_hull_counts() -> None:
    assert hull_slopes(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([1.0, 0.0, 3.0])) == [2.0]
    assert hull_slopes(torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 1.0, 0.5])) == []


@pytest.mark.parametrize(
    "flat", [trade([(0.0, 1.0)]), trade([(0.5, 1.0), (0.5, 0.2)]), trade([(0.0, 0.1), (1.0, 0.9)])]
)
def test_where_nothing_is_traded_the_range_is_some_range(flat: Tradeoff) -> None:
    low, high = penalty_range(flat)
    assert 0 < low < high


def test_tiny_steps_do_not_stretch_the_range() -> None:
    low, high = penalty_range(trade([(0.0, 1.0), (0.1, 0.0), (1.0, -1e-9)]))
    assert (low, high) == pytest.approx((10 * MARGIN * 1e-4, 10 * MARGIN))


def test_a_single_step_still_gives_a_decade() -> None:
    low, high = penalty_range(trade([(0.0, 1.0), (1.0, 0.0)]))
    assert low == pytest.approx(1 / MARGIN)
    assert high == pytest.approx(10 * low)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_the_best_of_all_changes_at_the_slopes_and_nowhere_else(points: list[tuple[int, int]]) -> None:
    data = trade([(float(cost), float(loss)) for cost, loss in points])
    slopes = hull_slopes(data.costs, data.losses)
    assert slopes == sorted(slopes, reverse=True)

    def best(rate: float) -> float:
        """Cost of the cheapest of the best at λ = rate."""
        values = data.losses + rate * data.costs
        return float(data.costs[values <= values.min() + 1e-9].min())

    distinct = sorted(set(slopes))
    edges = [0.0, *distinct, 1e6]
    middles = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
    found = [best(rate) for rate in middles]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert found[-1] == float(data.costs.min())


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=1, max_size=8))
def test_at_the_ends_of_the_range_are_the_best_and_the_cheapest(points: list[tuple[int, int]]) -> None:
    data = trade([(cost / 20, loss / 20) for cost, loss in points])
    low, high = penalty_range(data)
    assert 0 < low <= high / 10 * (1 + 1e-9)
    cheapest = (data.losses + high * data.costs).argmin()
    assert data.costs[cheapest] == data.costs.min() or not hull_slopes(data.costs, data.losses)
    best = (data.losses + low * data.costs).argmin()
    assert data.losses[best] <= data.losses.min() + low * 1.0


def test_ends_given_by_hand_are_kept() -> None:
    low, high = penalty_range(CONVEX)
    assert Scalar().fitted((), CONVEX) == Scalar(low, high)
    assert Scalar(low=0.5).fitted((), CONVEX) == Scalar(0.5, high)
    assert Scalar(high=1.0).fitted((), CONVEX) == Scalar(low, 1.0)
    assert Scalar(0.5, 0.7).fitted((), CONVEX) == Scalar(0.5, 0.7)
    assert Scalar().fitted(()) == Scalar()


@pytest.mark.parametrize("end", [1e-6, 1e-2, 1.0, 1e6])
def test_an_end_given_far_from_what_is_found_leaves_a_decade(end: float) -> None:
    below, above = Scalar(high=end).fitted((), CONVEX), Scalar(low=end).fitted((), CONVEX)
    assert below.high == end
    assert above.low == end
    for dial in (below, above):
        assert dial.low is not None
        assert dial.high is not None
        assert dial.high >= 10 * dial.low * (1 - 1e-9)


def test_strengths_of_the_other_dials() -> None:
    low, high = penalty_range(CONVEX)
    assert Budget().fitted((), CONVEX).strength == pytest.approx(2 * high)
    assert Budget(3.0).fitted((), CONVEX).strength == 3.0
    balanced = OperationSimplex().fitted(("a", "b", "c"), CONVEX)
    assert balanced.strength == pytest.approx(6 * float(CONVEX.losses.max() - CONVEX.losses.min()))
    simplex = OperationSimplex(balanced=False).fitted(("a", "b", "c"), CONVEX)
    assert simplex.strength == pytest.approx(3 * (low * high) ** 0.5)
    assert OperationSimplex(3.0).fitted(("a", "b"), CONVEX) == OperationSimplex(3.0, ("a", "b"))
