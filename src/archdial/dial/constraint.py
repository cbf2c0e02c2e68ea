"""The dial of RC-DARTS: a budget enforced by projection, not by the gradient of a penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from archdial.cost.pricing.expected import Cost
from archdial.dial.budget import Budget
from archdial.dial.dial import register_dial


@register_dial
@dataclass(frozen=True)
class Constraint(Budget):
    """min task, subject to E cost(γ) ≤ z, cost and z as fractions of the cost range; z ~ U(0, 1).

    Jin et al. (2019, RC-DARTS, eq. 5 and algorithm 1): a step along the task loss alone, then a projection back into
    what the budget allows. Where architectures are compared, as by a predictor's proposals, what exceeds the budget
    counts as on the budget dial.
    """

    kind: ClassVar[str] = "constraint"

    @property
    def constrained(self) -> bool:
        """True."""
        return True

    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return the penalty (n,) of the budget dial, without a gradient."""
        return super().penalty(positions, weights, cost).detach()

    def excess(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return cost − z (n,)."""
        return cost.fraction(weights) - positions.squeeze(1)
