"""Choosing among architectures: which meet the budgets, by what was measured or is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.peak import PeakCost
from archdial.dial import Dial
from archdial.hypernet import Hypernetwork
from archdial.searching.candidates import at_positions, likely, mutated, unseen
from archdial.searching.evaluation import Judged
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture, Space
from archdial.tasks.measure import Measure

GRID, DRAWS, ROUNDS = 48, 24, 3
"""How densely is looked: dial positions, architectures drawn at each, rounds of neighbours of the best."""

Budgets = Mapping[str, float]
"""By the column of the cost table: the most that an architecture may have of it."""


@dataclass(frozen=True)
class Chooser:
    """What a family knows of architectures.

    Attributes:
        costs: what one costs, by column.
        known: those that were evaluated, or are claimed to score so after training.
    """

    space: Space
    hypernet: Hypernetwork
    dial: Dial
    predictor: ErrorPredictor
    measure: Measure
    costs: Mapping[str, ExpectedCost | PeakCost]
    known: Mapping[Architecture, Judged]

    def pool(self, given: Budgets) -> list[Architecture]:
        """Return all that is looked at and meets the budgets `given`; always the same for the same."""
        generator = torch.Generator().manual_seed(0)
        grid = self.dial.grid(GRID)
        pool = [
            *self.known,
            *(self.costs[column].extremes()[0] for column in given),
            *at_positions(self.space, self.hypernet, self.dial, grid),
            *likely(self.space, self.hypernet, self.dial, grid, DRAWS, generator),
        ]
        pool = self.meeting(unseen(pool, []), given)
        for _ in range(ROUNDS if pool else 0):
            merits = self.merits(pool)
            best = sorted(pool, key=merits.__getitem__, reverse=True)[:DRAWS]
            near = mutated(self.space, best, GRID * DRAWS, generator)
            pool += self.meeting(unseen(near, pool), given)
        return pool

    def meeting(self, pool: Sequence[Architecture], given: Budgets) -> list[Architecture]:
        """Return those of `pool` that meet all budgets `given`."""
        if not pool or not given:
            return list(pool)
        weights = self.space.one_hots(pool).double()
        # What is exactly on the budget meets it, whatever the order of the sum.
        meets = torch.stack([self.costs[c](weights) <= limit * (1 + 1e-9) for c, limit in given.items()]).all(0)
        return [architecture for architecture, good in zip(pool, meets.tolist(), strict=True) if good]

    def merits(self, pool: Sequence[Architecture]) -> dict[Architecture, float]:
        """Return merits as measured, or one standard deviation below the prediction."""
        pessimistic = self.measure.merit(self.measure.score(self.predictor.feared(self.space.one_hots(pool))))
        measured = {a: item.merit for a, item in self.known.items()}
        return {a: measured.get(a, value) for a, value in zip(pool, pessimistic.tolist(), strict=True)}

    def position_of(self, architecture: Architecture) -> float | list[float]:
        """Return the dial position of a grid at which the hypernetwork considers `architecture` most likely."""
        grid = self.dial.grid(GRID)
        taken = self.space.one_hot(architecture).bool()
        with torch.no_grad():
            log_p = torch.log_softmax(self.hypernet(self.dial.encode(grid)), -1)
        return self.dial.value(grid[int(log_p[:, taken].sum(1).argmax())])
