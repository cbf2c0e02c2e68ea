"""Dials that multiply the task loss by a function of the cost; λ is an exponent."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from archdial.cost.pricing.expected import Cost
from archdial.dial.dial import Tradeoff
from archdial.dial.range import penalty_range
from archdial.dial.scalar import Scalar

LEAST_LOSS = 1e-3
"""Below which a loss counts as that much: the logarithm of a perfect one would be without bound."""


class Multiplicative(Scalar):
    """task · base(r)^λ, r ≥ 1 the cost over the least that an architecture has.

    What is descended is its logarithm, log task + λ · log base(r): at each λ the best is the same, no power grows
    beyond what a number can hold, and the range is found as that of the additive dial.
    """

    @abstractmethod
    def log_base(self, ratio: Tensor) -> Tensor:
        """Return log base(r), 0 at r = 1 and rising."""

    def _found(self, trade: Tradeoff) -> tuple[float, float]:
        most = self.log_base(trade.ratio).clamp_min(1e-6)
        costs = self.log_base(1 + trade.costs * (trade.ratio - 1)) / most
        low, high = penalty_range(Tradeoff(trade.losses.clamp_min(LEAST_LOSS).log(), costs))
        return low / float(most), high / float(most)

    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return λ · log base(r) (n,), the logarithm of the factor of the task loss."""
        ratio = 1 + cost.fraction(weights).clamp_min(0) * (cost.ratio.to(weights) - 1)
        return positions.squeeze(1) * self.log_base(ratio)

    def join(self, task: Tensor, penalty: Tensor) -> Tensor:
        """Return log task + penalty."""
        return task.clamp_min(LEAST_LOSS).log() + penalty
