"""Proposals for budgets as well as for dial positions: what lies between the corners of the front's hull."""

from __future__ import annotations

import torch
from torch import Tensor

from archdial.cost.pricing.expected import ExpectedCost
from archdial.searching.candidates import unseen
from archdial.searching.dialling import best_within, thompson
from archdial.searching.state import SearchState
from archdial.searching.steps.evaluate import Propose, remaining
from archdial.space import Architecture


class Fill(Propose):
    """As `Propose`, but every other proposal is for a budget, evenly spaced over the whole range of cost.

    Of a trained network few architectures are any good, and λ asks for the same ones again and again.
    """

    name = "fill"

    def __init__(self, most: int | None = None) -> None:
        """Evaluate at most `most` architectures a round, or else a round's share of all evaluations."""
        self.most = most

    def count_of(self, state: SearchState) -> int:
        """Return how many architectures one round evaluates."""
        if self.most is None:
            return super().count_of(state)
        return min(self.most, remaining(state))

    def choose(self, state: SearchState, pool: list[Architecture], positions: Tensor) -> list[Architecture]:
        """Return the best of `pool` for every other of positions (p, d), and within as many budgets."""
        along = thompson(state.predictor, state.dial, state.cost, pool, positions[::2], state.generator)
        chosen, count, devices = along, len(positions) - len(along), len(state.cost.each)
        for number, cost in enumerate(state.cost.each):
            share = (number + 1) * count // devices - number * count // devices
            rest = unseen(pool, chosen)
            limits = self._limits(cost, share, state.generator)
            chosen = [*chosen, *best_within(state.predictor, cost, rest, limits, state.generator)]
        return chosen

    @staticmethod
    def _limits(cost: ExpectedCost, count: int, generator: torch.Generator) -> list[float]:
        # Drawn within equal parts: another round asks for other budgets.
        shares = (torch.arange(count) + torch.rand(count, generator=generator)) / max(count, 1)
        limits: list[float] = (cost.lowest + shares * (cost.highest - cost.lowest)).tolist()
        return limits
