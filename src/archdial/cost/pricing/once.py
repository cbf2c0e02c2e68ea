"""Pricing the same architectures at many dial positions: each is priced once."""

from __future__ import annotations

from collections.abc import Callable

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
        # Its tensors, and its ends where they were found.
        vars(self).update(vars(cost))
        self._rows = rows
        self._known: dict[str, Tensor] = {}

    def fraction(self, weights: Tensor) -> Tensor:
        """Return where the cost of `weights` (…, m, k) lies in the range, (…)."""
        return self._looked_up(weights, super().fraction)

    def by_kind(self, weights: Tensor) -> Tensor:
        """Return the cost (…, kinds) that the options of each kind cause under `weights` (…, m, k)."""
        return self._looked_up(weights, super().by_kind)

    def _looked_up(self, weights: Tensor, price: Callable[[Tensor], Tensor]) -> Tensor:
        times = self._times(weights)
        if not times:
            return price(weights)
        if price.__name__ not in self._known:
            self._known[price.__name__] = price(self._rows)
        return torch.cat([self._known[price.__name__]] * times)

    def _times(self, weights: Tensor) -> int:
        """Return how many times `weights` are the rows, one after another; 0 where they are anything else."""
        if weights.requires_grad or weights.dim() != 3 or len(weights) % len(self._rows):
            return 0
        blocks = weights.unflatten(0, (-1, len(self._rows)))
        return len(blocks) if torch.equal(blocks, self._rows.expand_as(blocks)) else 0


def priced_once(cost: Cost, rows: Tensor) -> Cost:
    """Return `cost` for weights that are `rows` (n, m, k), once or many times one after another."""
    each = [PricedOnce(one, rows) for one in cost.each]
    return each[0] if isinstance(cost, ExpectedCost) else CostByDevice(each)
