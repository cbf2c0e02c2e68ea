"""What a family promises within budgets: the candidates that are looked at, and how they are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.peak import PeakCost
from archdial.dial import Dial
from archdial.hypernet import Hypernetwork
from archdial.searching.candidates import at_positions, likely, mutated, unseen
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture, Space
from archdial.tasks.measure import Measure

GRID, DRAWS, ROUNDS = 48, 24, 3
"""How densely is looked: dial positions, architectures drawn at each, rounds of neighbours of the best."""


@dataclass(frozen=True)
class Promises:
    """What is compared where a budget is to be met.

    Attributes:
        budgets: what an architecture costs, by column.
        known: merits of the architectures that something was measured of.
        predictor: of the errors of all others.
    """

    space: Space
    dial: Dial
    hypernet: Hypernetwork
    budgets: Mapping[str, ExpectedCost | PeakCost]
    known: Mapping[Architecture, float]
    predictor: ErrorPredictor
    measure: Measure

    def best(self, given: Mapping[str, float]) -> Architecture | None:
        """Return the architecture that promises most among those within all budgets `given`; None if there is none."""
        pool = self._pool(given)
        return max(pool, key=self._merits(pool).__getitem__) if pool else None

    def _pool(self, given: Mapping[str, float]) -> list[Architecture]:
        generator = torch.Generator().manual_seed(0)
        grid = self.dial.grid(GRID)
        pool = [
            *self.known,
            *(self.budgets[column].extremes()[0] for column in given),
            *at_positions(self.space, self.hypernet, self.dial, grid),
            *likely(self.space, self.hypernet, self.dial, grid, DRAWS, generator),
        ]
        pool = self._meeting(unseen(pool, []), given)
        for _ in range(ROUNDS if pool else 0):
            promise = self._merits(pool)
            best = sorted(pool, key=promise.__getitem__, reverse=True)[:DRAWS]
            near = mutated(self.space, best, GRID * DRAWS, generator)
            pool += self._meeting(unseen(near, pool), given)
        return pool

    def _meeting(self, pool: Sequence[Architecture], given: Mapping[str, float]) -> list[Architecture]:
        if not pool:
            return []
        weights = self.space.one_hots(pool).double()
        # What is exactly on the budget meets it, whatever the order of the sum.
        meets = torch.stack([self.budgets[c](weights) <= limit * (1 + 1e-9) for c, limit in given.items()]).all(0)
        return [architecture for architecture, good in zip(pool, meets.tolist(), strict=True) if good]

    def _merits(self, pool: Sequence[Architecture]) -> dict[Architecture, float]:
        """Return merits as known, or one standard deviation below the prediction."""
        feared = self.predictor.feared(self.space.one_hots(pool))
        pessimistic = self.measure.merit(self.measure.score(feared))
        return {a: self.known.get(a, value) for a, value in zip(pool, pessimistic.tolist(), strict=True)}
