"""The Chebyshev dial: every member of the Pareto front, and none other, is the best at some λ."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.metrics import pareto_front
from archdial.dial import Chebyshev, Scalar, Tradeoff, make_dial
from archdial.dial.chebyshev import BEYOND_BEST, BOTH
from archdial.dial.range import MARGIN

BULGING = Tradeoff(torch.tensor([1.0, 0.9, 0.8, 0.1, 0.0]), torch.tensor([0.0, 0.2, 0.4, 0.6, 1.0]))
"""Five members of a front, of which the second and the third lie above the hull."""


def objectives(dial: Scalar, trade: Tradeoff, count: int = 2000) -> Tensor:
    """Return the objective (count, n) of each architecture of `trade` along the dial."""
    return dial.join(trade.losses, dial.grid(count) * trade.costs)


def best(dial: Scalar, trade: Tradeoff) -> list[int]:
    """Return the best along the dial, each once."""
    return list(dict.fromkeys(objectives(dial, trade).argmin(1).tolist()))


def test_is_its_formula() -> None:
    dial = Chebyshev(low=0.1, high=10.0, best=0.2, worst=0.7)
    lost, spent = (0.3 - 0.2) / 0.5 + BEYOND_BEST, torch.tensor([0.1, 0.9])
    expected = [max(lost, p) + BOTH * (lost + p) for p in spent.tolist()]
    assert dial.join(torch.tensor([0.3, 0.3]), spent).tolist() == pytest.approx(expected)


def test_reaches_what_lies_above_the_hull() -> None:
    dial = Chebyshev().fitted((), BULGING)
    assert best(dial, BULGING) == [4, 3, 2, 1, 0]
    assert best(Scalar().fitted((), BULGING), BULGING) == [4, 3, 0]


def test_the_range_begins_and_ends_a_margin_beyond_the_first_and_the_last_change() -> None:
    dial = Chebyshev().fitted((), BULGING)
    # The second best takes over where its loss equals λ · 1, the cheapest where its loss equals λ · 0.2.
    assert dial.low == pytest.approx((0.1 + BEYOND_BEST) / MARGIN)
    assert dial.high == pytest.approx((1 + BEYOND_BEST) / 0.2 * MARGIN)


def test_what_is_given_stays() -> None:
    dial = Chebyshev(low=0.5, worst=2.0).fitted((), BULGING)
    assert (dial.low, dial.best, dial.worst) == (0.5, 0.0, 2.0)
    assert dial.opened() == Chebyshev()
    assert make_dial(dial.to_json()) == dial
    both = Chebyshev(low=0.5, high=0.6).fitted((), BULGING)
    assert (both.low, both.high, both.worst) == (0.5, 0.6, 1.0)


def test_what_was_given_beyond_all_that_was_evaluated_stays_too() -> None:
    far = Chebyshev(best=2.0).fitted((), BULGING)
    assert (far.best, far.worst) == (2.0, 2.0)
    near = Chebyshev(worst=-1.0).fitted((), BULGING)
    assert (near.best, near.worst) == (-1.0, -1.0)
    for dial in (far, near):
        assert dial.low is not None and dial.high is not None and 0 < dial.low < dial.high
    with pytest.raises(UsageError, match="expected best ≤ worst"):
        Chebyshev(best=1.0, worst=0.5)


@pytest.mark.parametrize("losses", [[0.4], [0.4, 0.4], [0.2, 0.9]])
def test_where_nothing_is_traded_the_range_is_some_range(losses: list[float]) -> None:
    trade = Tradeoff(torch.tensor(losses), torch.linspace(0, 1, len(losses)))
    dial = Chebyshev().fitted((), trade)
    assert dial.low is not None and dial.high is not None and 0 < dial.low < dial.high
    assert bool(objectives(dial, trade, 5).isfinite().all())


def test_better_than_the_best_that_was_known_is_still_better() -> None:
    dial = Chebyshev().fitted((), BULGING)
    at = dial.join(torch.tensor([-0.04, 0.0]), torch.zeros(2))
    assert at[0] < at[1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=2, max_size=12))
def test_the_whole_front_is_on_the_dial(points: list[tuple[int, int]]) -> None:
    costs, losses = (torch.tensor(side, dtype=torch.float64) / 20 for side in zip(*points, strict=True))
    trade = Tradeoff(losses, costs)
    front = pareto_front(costs.tolist(), (-losses).tolist())
    dial = Chebyshev().fitted((), trade)
    found = best(dial, trade)
    values = {(float(costs[i]), float(losses[i])) for i in found}
    expected = {(float(costs[i]), float(losses[i])) for i in front}
    assert values <= expected
    # The ends are always there. A member in between may be on so little of the dial that no grid meets it.
    for end in (front[0], front[-1]):
        assert (float(costs[end]), float(losses[end])) in values
