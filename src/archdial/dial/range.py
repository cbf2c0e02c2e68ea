"""Finding the range of a penalty: from where it changes nothing to where only the cheapest is left."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from archdial.dial.dial import Tradeoff

MARGIN = 1.5
"""How far the range reaches beyond the first and the last change that was seen."""

RESOLUTION = 0.01
"""Costs that differ by less, as fractions of their range, are equal: times are measured no better."""


def penalty_range(trade: Tradeoff) -> tuple[float, float]:
    """Return (low, high) for λ in loss + λ · cost, cost in [0, 1].

    For each λ the best of the evaluated architectures is a vertex of the lower convex hull of (cost, loss); it changes
    where λ equals minus a slope of the hull. Below the least such λ the most accurate architecture stays best: the
    plateau of Borodin's first experiment (2023). Above the greatest the cheapest does: his Λ.
    """
    # In steps of the resolution, or two nearly equal times would make a slope without bound.
    costs = (trade.costs / RESOLUTION).round() * RESOLUTION
    slopes = hull_slopes(costs, trade.losses)
    if not slopes:
        return 1e-3, 1e1
    high = max(slopes) * MARGIN
    # A step of less than a ten-thousandth of the steepest is noise of the evaluation, not a trade-off.
    low = max(min(slopes) / MARGIN, high * 1e-4)
    return low, max(high, 10 * low)


def hull_slopes(costs: Tensor, losses: Tensor) -> list[float]:
    """Return minus the slopes of the lower hull of (cost, loss) from the cheapest to the best, steepest first."""
    order = sorted(zip(costs.tolist(), losses.tolist(), strict=True))
    hull: list[tuple[float, float]] = []
    for point in order:
        while len(hull) > 1 and _slope(hull[-2], point) <= _slope(hull[-2], hull[-1]):
            hull.pop()
        if hull and point[0] == hull[-1][0]:
            continue
        hull.append(point)
    slopes = [-_slope(a, b) for a, b in pairwise(hull)]
    return [slope for slope in slopes if slope > 0]


def _slope(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0]) if b[0] != a[0] else torch.inf
