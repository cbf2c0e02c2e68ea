"""Which members to train: over the whole cost range, and where predictor and supernet are least certain."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import torch

from archdial.families.chooser import GRID
from archdial.families.family import Family
from archdial.refining.features import inherited_logs
from archdial.searching.candidates import unseen
from archdial.space import Architecture

UNSURE = 4
"""One in this many members is chosen for its uncertainty, the others for their cost."""


def spread(family: Family, count: int, without: Collection[Architecture] = ()) -> list[Architecture]:
    """Return up to `count` architectures spread by cost on the current device of `family`.

    The two ends come first: the dial's member at its accurate end, and the best and the cheapest of the front. Then
    those nearest to costs evenly spaced by their logarithm; one in four is where the ensemble disagrees most and the
    supernet's evaluation is furthest from its prediction. They come from the front and from the dial; if these are too
    few, from other evaluated architectures, nearest to the front first.

    Args:
        without: architectures to exclude, because they were trained before.
    """
    pool = _candidates(family, count, without)
    cost = family.costs[family.column]
    costs = {architecture: cost.of(architecture) for architecture in pool}
    chosen = _ends(family, pool, costs)[:count]
    unsure = min(count // UNSURE, count - len(chosen))
    chosen += _even(costs, chosen, count - unsure - len(chosen))
    chosen += _divided(family, unseen(pool, chosen), count - len(chosen))
    return sorted(chosen, key=lambda architecture: (costs[architecture], architecture))


def _candidates(family: Family, count: int, without: Collection[Architecture]) -> list[Architecture]:
    """Return at least `count` architectures, if that many exist: front, dial, then neighbours."""
    named = [*family.front(), *family.along(GRID)]
    found = unseen((member.architecture for member in named), without)
    if len(found) < count:
        found += unseen(_by_distance(family), [*without, *found])[: count - len(found)]
    return found


def _by_distance(family: Family) -> list[Architecture]:
    """Return what was evaluated, first what loses least against the best that costs no more."""
    cost = family.costs[family.column]
    by_cost = sorted(family.judged, key=lambda item: (cost.of(item.architecture), item.architecture))
    best, lost = -math.inf, []
    for item in by_cost:
        best = max(best, item.merit)
        lost.append((best - item.merit, item.architecture))
    return [architecture for _, architecture in sorted(lost)]


def _ends(family: Family, pool: Sequence[Architecture], costs: dict[Architecture, float]) -> list[Architecture]:
    """Return the accurate end of the dial, the most accurate and the cheapest, as far as they are in `pool`."""
    if not pool:
        return []
    front = [member.architecture for member in family.front()]
    accurate = [family.along(GRID)[0].architecture, *front[-1:]]
    return unseen([*(a for a in accurate if a in costs), min(pool, key=costs.__getitem__)], [])


def _even(costs: dict[Architecture, float], taken: Sequence[Architecture], count: int) -> list[Architecture]:
    """Return `count` that stand nearest to evenly spaced logarithms of cost, of what is not `taken`."""
    left = unseen(costs, taken)
    found: list[Architecture] = []
    if not left or count < 1:
        return found
    logs = {architecture: math.log(max(cost, 1e-12)) for architecture, cost in costs.items()}
    low, high = min(logs.values()), max(logs.values())
    for number in range(min(count, len(left))):
        target = low + (high - low) * (number + 1) / (count + 1)
        nearest = min(unseen(left, found), key=lambda a: (abs(logs[a] - target), a))
        found.append(nearest)
    return found


def _divided(family: Family, pool: Sequence[Architecture], count: int) -> list[Architecture]:
    """Return the `count` of `pool` of which least is known."""
    if not pool or count < 1:
        return []
    with torch.no_grad():
        spread = family.predictor.each(family.space.one_hots(pool)).std(0)
    measured, predicted = inherited_logs(family, pool)
    doubt = (spread.double() + (measured - predicted).abs()).tolist()
    order = sorted(range(len(pool)), key=lambda place: (-doubt[place], pool[place]))
    return [pool[place] for place in order[:count]]
