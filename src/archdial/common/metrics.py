"""The quality of a set of (cost, accuracy) points, and how well two rankings agree."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from archdial.common.errors import UsageError

Values = Sequence[float] | Tensor
Array = NDArray[np.float64]


def pareto_front(costs: Values, accuracies: Values) -> list[int]:
    """Return the indices of the non-dominated points, by increasing cost.

    Lower cost and higher accuracy are better; of equal points the first is kept.

    Args:
        costs: (n,) in any one unit.
        accuracies: (n,).

    Raises:
        UsageError: the lengths differ, or a value is not finite.
    """
    cost, accuracy = _pair(costs, accuracies)
    front: list[int] = []
    for index in np.lexsort((-accuracy, cost)):
        if not front or accuracy[index] > accuracy[front[-1]]:
            front.append(int(index))
    return front


def hypervolume(costs: Values, accuracies: Values, *, reference_cost: float, reference_accuracy: float = 0.0) -> float:
    """Return the area between the points and the reference point, in units of cost times accuracy.

    A point no better than the reference in either value adds nothing.

    Raises:
        UsageError: the lengths differ, or a value is not finite.
    """
    import moocore  # the one function that needs it

    cost, accuracy = _pair(costs, accuracies)
    reference, _ = _pair([reference_cost, reference_accuracy], [0.0, 0.0])
    if not len(cost):
        return 0.0
    return float(moocore.hypervolume(np.stack((cost, accuracy), 1), ref=reference, maximise=[False, True]))


def area_under_curve(costs: Values, accuracies: Values, *, full_cost: float, chosen_by: Values | None = None) -> float:
    """Return the mean, over budgets from 0 to `full_cost`, of the best accuracy at no more than the budget.

    Below the cheapest point the accuracy is 0; the result lies in [0, 1] where the accuracies do.

    Args:
        costs: (n,) in any one unit.
        accuracies: (n,).
        full_cost: that of the full network.
        chosen_by: (n,) what the best at a budget is chosen by, if not by its accuracy: what validation images said.

    Raises:
        UsageError: the lengths differ, a value is not finite, or `full_cost` is not positive.
    """
    if not (np.isfinite(full_cost) and full_cost > 0):
        raise UsageError(f"full_cost is {full_cost}: expected the positive cost of the full network")
    cost, accuracy = _pair(costs, accuracies)
    front = pareto_front(costs, accuracies if chosen_by is None else chosen_by)
    edges = np.clip(np.append(cost[front] / full_cost, 1.0), 0.0, 1.0)
    return float(np.diff(edges) @ accuracy[front])


def best_within(costs: Values, accuracies: Values, limit: float, *, chosen_by: Values | None = None) -> float:
    """Return the accuracy of the point chosen among those that cost at most `limit`; 0 where there is none.

    Args:
        costs: (n,) in any one unit.
        accuracies: (n,).
        limit: in the same unit as the costs.
        chosen_by: (n,) what the point is chosen by, the largest, if not by its accuracy.

    Raises:
        UsageError: the lengths differ, or a value is not finite.
    """
    cost, accuracy = _pair(costs, accuracies)
    _, rank = _pair(costs, accuracies if chosen_by is None else chosen_by)
    within = np.flatnonzero(cost <= limit)
    return float(accuracy[within[np.argmax(rank[within])]]) if within.size else 0.0


def spearman(x: Values, y: Values) -> float:
    """Return Spearman's rank correlation of two (n,) samples, ties at their mean rank; nan if one is flat.

    Raises:
        UsageError: the lengths differ, or a value is not finite.
    """
    first, second = (_centred_ranks(values) for values in _pair(x, y))
    return _ratio(float(first @ second), float(first @ first), float(second @ second))


def kendall_tau(x: Values, y: Values) -> float:
    """Return Kendall's tau-b of two (n,) samples; nan where one is constant. Memory grows with n².

    Raises:
        UsageError: the lengths differ, or a value is not finite.
    """
    first, second = (np.sign(values[:, None] - values[None, :]) for values in _pair(x, y))
    return _ratio(float((first * second).sum()), float((first**2).sum()), float((second**2).sum()))


def _pair(x: Values, y: Values) -> tuple[Array, Array]:
    first, second = _array(x), _array(y)
    if first.shape != second.shape or first.ndim != 1:
        raise UsageError(f"values of shapes {first.shape} and {second.shape}: expected two lists of the same length")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UsageError("a value is NaN or infinite: omit points that were not measured")
    return first, second


def _array(values: Values) -> Array:
    plain = values.detach().cpu().numpy() if isinstance(values, Tensor) else values
    return np.asarray(plain, dtype=np.float64)


def _centred_ranks(values: Array) -> Array:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(sizes)
    rank = (last - (sizes - 1) / 2)[group]
    return np.asarray(rank - (len(values) + 1) / 2, dtype=np.float64)


def _ratio(product: float, first: float, second: float) -> float:
    return product / float(np.sqrt(first) * np.sqrt(second)) if first > 0 and second > 0 else float("nan")
