"""Training weights under the best known architectures: the weights' turn in an alternating search."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator

import torch
from torch import Tensor

from archdial.cost.pricing.expected import ExpectedCost
from archdial.searching.candidates import front
from archdial.searching.state import SearchState
from archdial.searching.steps.weights import TrainWeights
from archdial.space import Architecture


class TuneWeights(TrainWeights):
    """Cross-entropy, and distance to the teacher, of the best architecture known within a budget that is drawn.

    Gates kept independently of each other make 2^m networks, nearly all of them useless, and weights that serve all
    serve none well. The members of one front are few and alike. λ would name fewer still: the corners of the front's
    convex hull, five of twenty-five in one search, and what lies between them would not be trained.
    """

    name = "tune"
    fronts: list[tuple[ExpectedCost, list[float], list[Architecture]]]

    def batches(self, state: SearchState, order: torch.Generator, start: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return shuffled images for the weights."""
        # Nothing is evaluated while weights are trained: the front is found once an epoch, not at every step.
        self.fronts = [_front(state, cost) for cost in state.cost.each]
        return super().batches(state, order, start)

    def draw(self, state: SearchState) -> Architecture:
        """Return the best evaluated architecture within a budget drawn between the least and the most of a device."""
        # One number says both: which device, and how far along its range.
        device, share = divmod(float(torch.rand((), generator=state.generator)) * len(self.fronts), 1)
        cost, costs, members = self.fronts[int(device)]
        limit = _limit(cost, share, octaves=state.settings.budgets == "octaves")
        return members[max(bisect_right(costs, limit) - 1, 0)]


def _limit(cost: ExpectedCost, share: float, *, octaves: bool) -> float:
    """Return the budget at `share` in [0, 1] of the range of `cost`, by differences or by ratios."""
    if octaves:
        return cost.highest * math.pow(float(cost.ratio), share - 1)
    return cost.lowest + (cost.highest - cost.lowest) * share


def _front(state: SearchState, cost: ExpectedCost) -> tuple[ExpectedCost, list[float], list[Architecture]]:
    members = [item.architecture for item in front(state.archive, cost)]
    return cost, [cost.of(architecture) for architecture in members], members
