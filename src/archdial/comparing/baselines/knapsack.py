"""Budgets as knapsacks: saliency of single operations against their cost."""

from __future__ import annotations

from typing import ClassVar

import numpy
import torch
from numpy.typing import NDArray

from archdial.comparing.baselines.baseline import Judge, Search, full_architecture
from archdial.comparing.baselines.packing import packed
from archdial.families.family import Family
from archdial.searching.candidates import one_apart
from archdial.space import Architecture, Space

BUDGETS = 48
"""Knapsacks at most, evenly over the range of cost."""

Array = NDArray[numpy.float64]


class Knapsack(Search):
    """max Σ saliency subject to Σ cost ≤ budget, solved exactly for budgets over the whole range of cost.

    The idea of HALP (Shen et al. 2022, eq. 5): latency-aware pruning is a knapsack. There saliencies of groups of
    channels are Taylor's; here that of an option is by how much the loss on validation images grows when, in the whole
    network (for cells, the most expensive), it replaces what is there. At most half of the budget is used for these, in
    a random order; what was not looked at counts as the mean of its option.
    """

    name: ClassVar[str] = "knapsack"

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Score single changes, then evaluate what is best within each budget."""
        space, cost = family.space, family.costs[family.column]
        start = full_architecture(family)
        harm = _harm(family, judge, start, generator)
        limits = numpy.linspace(cost.highest, cost.lowest, min(BUDGETS, judge.left) + 1)[:-1]
        for limit in limits:
            best = packed(space, cost, harm, float(limit))
            if best is not None and judge.left:
                judge(family.network.canonical(best))


def _harm(family: Family, judge: Judge, start: Architecture, generator: torch.Generator) -> Array:
    """Return (m, k): by how much the loss grows when an option takes the place of what `start` has."""
    space, whole = family.space, judge(start)
    harm = numpy.full(space.shape, numpy.nan)
    harm[range(len(start.options)), start.options] = 0.0
    changes = one_apart(space, start)
    order = torch.randperm(len(changes), generator=generator).tolist()
    for number in order[: judge.left // 2]:
        (row,) = (i for i, option in enumerate(changes[number].options) if option != start.options[i])
        found = judge(family.network.canonical(changes[number]))
        harm[row, changes[number].options[row]] = found.loss - whole.loss
    return _filled(space, harm)


def _filled(space: Space, harm: Array) -> Array:
    """Put the mean over their option in place of what was not looked at, of all options where there is none."""
    seen = harm[~numpy.isnan(harm) & (harm != 0.0)]
    fallback = float(seen.mean()) if seen.size else 0.0
    means: dict[str, list[float]] = {}
    places = [(row, j, name) for row, choice in enumerate(space.choices) for j, name in enumerate(choice.options)]
    for row, j, name in places:
        if not numpy.isnan(harm[row, j]) and harm[row, j] != 0.0:
            means.setdefault(name, []).append(float(harm[row, j]))
    for row, j, name in places:
        if numpy.isnan(harm[row, j]):
            harm[row, j] = numpy.mean(means[name]) if name in means else fallback
    return harm
