"""Step by step the change that costs least accuracy for each millisecond that it saves."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import ClassVar

import torch

from archdial.baselines.base import Baseline, Judge
from archdial.cost.expected import ExpectedCost
from archdial.family import Family
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture, Space

NOTHING = 1e-9
"""Milliseconds that a change saves at least, or it is none."""


class Greedy(Baseline):
    """From the whole network (of cells: the dearest) down, one choice at a time; Borodin's comparison (2023).

    After each step every score is stale. Only the best of them is taken anew, until one stays best: what a change costs
    grows slowly as the network shrinks, so that few need to be (lazy evaluation, Minoux 1978). Scoring all of them
    again at each of m steps would take m² / 2 evaluations.
    """

    name: ClassVar[str] = "greedy"

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Go down until nothing cheaper is left or the budget is used up."""
        cost, network = family.costs[family.column], family.network
        best = judge(network.whole or cost.extremes()[1])
        queue: list[tuple[float, int, int]] = []
        for change in _changes(network.space, cost, best.architecture):
            if not judge.left:
                return
            heapq.heappush(queue, (self._score(family, judge, best, change), *change))
        while queue and judge.left:
            _, row, option = heapq.heappop(queue)
            change = row, option
            if not _saves(cost, best.architecture, changed(best.architecture, row, option)):
                continue
            score = self._score(family, judge, best, change)
            if queue and score > queue[0][0]:
                heapq.heappush(queue, (score, *change))
                continue
            best = judge(network.canonical(changed(best.architecture, row, option)))

    @staticmethod
    def _score(family: Family, judge: Judge, best: Evaluated, change: tuple[int, int]) -> float:
        """Return the accuracy that `change` loses for each millisecond that it saves; it may well be negative."""
        cost = family.costs[family.column]
        result = changed(best.architecture, *change)
        found = judge(family.network.canonical(result))
        return (best.accuracy - found.accuracy) / (cost.of(best.architecture) - cost.of(result))


def changed(architecture: Architecture, row: int, option: int) -> Architecture:
    """Return `architecture` with another option at one choice."""
    return Architecture((*architecture.options[:row], option, *architecture.options[row + 1 :]))


def _changes(space: Space, cost: ExpectedCost, architecture: Architecture) -> Iterator[tuple[int, int]]:
    for row, choice in enumerate(space.choices):
        for option in range(len(choice.options)):
            if _saves(cost, architecture, changed(architecture, row, option)):
                yield row, option


def _saves(cost: ExpectedCost, before: Architecture, after: Architecture) -> bool:
    return cost.of(before) - cost.of(after) > NOTHING
