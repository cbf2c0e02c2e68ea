"""Repeatedly making the change that costs the least score per millisecond saved."""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from typing import ClassVar

import torch

from archdial.comparing.baselines.baseline import Judge, Search, full_architecture
from archdial.cost.pricing.expected import ExpectedCost
from archdial.families.family import Family
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture, Space

Change = tuple[int, int]
"""Choice and option."""

Scored = tuple[float, int, int]
"""What of the score is lost for each millisecond saved, and the change."""

NOTHING = 1e-9
"""Milliseconds that a change saves at least, or it is none."""


class Greedy(Search):
    """Greedy descent from the whole network (for cells, the most expensive), one choice at a time (Borodin 2023).

    After each step, every score is stale. Only the best one is re-evaluated, until one stays best: the cost of a change
    grows slowly as the network shrinks, so few need it (lazy evaluation, Minoux 1978). Re-evaluating all at each
    of m steps would take m² / 2 evaluations.
    """

    name: ClassVar[str] = "greedy"

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Go down until nothing cheaper is left or the budget is used up."""
        cost, network = family.costs[family.column], family.network
        best = judge(full_architecture(family))
        queue: list[Scored] = []
        idle: list[Change] = []
        for change in _changes(network.space):
            if not _saves(cost, best.architecture, changed(best.architecture, *change)):
                idle.append(change)
                continue
            if not judge.left:
                return
            heapq.heappush(queue, (self._score(family, judge, best, change), *change))
        been = {best.architecture}
        while judge.left:
            step = self._next(family, judge, best, queue, idle)
            if step is None or step.architecture in been:
                return
            best = step
            been.add(best.architecture)
            # What saved nothing may now: it is looked at before all others, without an evaluation.
            for change in idle:
                heapq.heappush(queue, (-math.inf, *change))
            idle.clear()

    def _next(
        self, family: Family, judge: Judge, best: Evaluated, queue: list[Scored], idle: list[Change]
    ) -> Evaluated | None:
        """Return what the best change of `queue` makes of `best`; what saves nothing goes to `idle`."""
        cost, canonical = family.costs[family.column], family.network.canonical
        while queue and judge.left:
            _, row, option = heapq.heappop(queue)
            if not _saves(cost, best.architecture, changed(best.architecture, row, option)):
                idle.append((row, option))
                continue
            score = self._score(family, judge, best, (row, option))
            if not judge.left or (queue and score > queue[0][0]):
                heapq.heappush(queue, (score, row, option))
                continue
            return judge(canonical(changed(best.architecture, row, option)))
        return self._level(family, judge, best) if judge.left else None

    @staticmethod
    def _level(family: Family, judge: Judge, best: Evaluated) -> Evaluated | None:
        """Return the best step towards the cheapest architecture where no single change is cheaper.

        What several choices share costs the same until the last of them lets go of it.
        """
        cheapest = family.costs[family.column].extremes()[0]
        pairs = zip(best.architecture.options, cheapest.options, strict=True)
        rows = [row for row, (here, there) in enumerate(pairs) if here != there]
        steps = (family.network.canonical(changed(best.architecture, row, cheapest.options[row])) for row in rows)
        seen = [judge(step) for step in itertools.islice(steps, judge.left)]
        return max(seen, key=lambda one: one.merit, default=None)

    @staticmethod
    def _score(family: Family, judge: Judge, best: Evaluated, change: Change) -> float:
        """Return what of the score `change` loses for each millisecond that it saves; it may well be negative."""
        cost = family.costs[family.column]
        result = changed(best.architecture, *change)
        found = judge(family.network.canonical(result))
        return (best.merit - found.merit) / (cost.of(best.architecture) - cost.of(result))


def changed(architecture: Architecture, row: int, option: int) -> Architecture:
    """Return `architecture` with another option at one choice."""
    return Architecture((*architecture.options[:row], option, *architecture.options[row + 1 :]))


def _changes(space: Space) -> Iterator[Change]:
    return ((row, option) for row, choice in enumerate(space.choices) for option in range(len(choice.options)))


def _saves(cost: ExpectedCost, before: Architecture, after: Architecture) -> bool:
    return cost.of(before) - cost.of(after) > NOTHING
