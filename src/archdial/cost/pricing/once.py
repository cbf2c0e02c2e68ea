"""The cost of the same architectures at many positions of a dial: each is priced once."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor, nn

from archdial.cost.pricing.by_hardware import CostByDevice
from archdial.cost.pricing.expected import Cost, ExpectedCost


class PricedOnce(ExpectedCost):
    """The cost of another, for weights that are the same rows again and again: what it costs is looked up.

    On a table of thousands of entries pricing some hundred rows takes tenths of a second, and a dial asks for them at
    each of hundreds of positions. Whatever else it is asked for is worked out as ever.
    """

    def __init__(self, cost: ExpectedCost, rows: Tensor) -> None:
        """Take the `rows` (n, m, k) that come again and again."""
        nn.Module.__init__(self)
        self.space, self.column = cost.space, cost.column
        self.cost, self.rows = cost, rows

    @cached_property
    def lowest(self) -> float:
        """The least cost of an architecture."""
        return self.cost.lowest

    @cached_property
    def highest(self) -> float:
        """The largest cost of an architecture."""
        return self.cost.highest

    def fraction(self, weights: Tensor) -> Tensor:
        """Return where the cost of `weights` (…, m, k) lies in the range, (…)."""
        times = self._times(weights)
        return self._fractions.repeat(times) if times else self.cost.fraction(weights)

    def by_kind(self, weights: Tensor) -> Tensor:
        """Return the cost (…, kinds) that the options of each kind cause under `weights` (…, m, k)."""
        times = self._times(weights)
        return self._kinds.repeat(times, 1) if times else self.cost.by_kind(weights)

    @cached_property
    def _fractions(self) -> Tensor:
        return self.cost.fraction(self.rows)

    @cached_property
    def _kinds(self) -> Tensor:
        return self.cost.by_kind(self.rows)

    def _times(self, weights: Tensor) -> int:
        """Return how many times `weights` are the rows, one after another; 0 where they are anything else."""
        if weights.requires_grad or weights.dim() != 3 or len(weights) % len(self.rows):
            return 0
        blocks = weights.unflatten(0, (-1, len(self.rows)))
        return len(blocks) if torch.equal(blocks, self.rows.expand_as(blocks)) else 0


def priced_once(cost: Cost, rows: Tensor) -> Cost:
    """Return `cost` for weights that are `rows` (n, m, k), once or many times one after another."""
    each = [PricedOnce(one, rows) for one in cost.each]
    return each[0] if isinstance(cost, ExpectedCost) else CostByDevice(each)
