"""The costs of one space on several devices."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archdial.cost.pricing.expected import Cost, ExpectedCost
from archdial.space import Architecture


class CostByDevice(Cost):
    """Expected costs in the order of the devices, which positions of the dial name by number."""

    def __init__(self, costs: Sequence[ExpectedCost]) -> None:
        self._each = tuple(costs)

    @property
    def each(self) -> tuple[ExpectedCost, ...]:
        """The cost on each device."""
        return self._each

    @property
    def ratio(self) -> Tensor:
        """The most expensive architecture's cost over the cheapest one's on each device, (devices,)."""
        return torch.stack([cost.ratio for cost in self.each])

    def extremes(self) -> tuple[Architecture, ...]:
        """Return the cheapest and the most expensive architecture of each device, each once."""
        return tuple(dict.fromkeys(end for cost in self.each for end in cost.extremes()))

    def fraction(self, weights: Tensor) -> Tensor:
        """Return (…, devices): where the cost of `weights` (…, m, k) lies in each device's range."""
        return torch.stack([cost.fraction(weights) for cost in self.each], -1)
