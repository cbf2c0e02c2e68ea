"""The budget dial: the position is the target itself, a fraction of the cost range."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Positive
from archdial.common.validation import check_fields
from archdial.cost.pricing.expected import Cost
from archdial.dial.dial import Dial, Tradeoff, one_number, register_dial
from archdial.dial.range import penalty_range


@register_dial
@dataclass(frozen=True)
class Budget(Dial):
    """penalty = strength · max(0, cost(γ) − z), cost and z as fractions of the cost range; z ~ U(0, 1).

    Attributes:
        strength: loss per unit above the budget; found unless given, well above Λ of the scalar dial.

    Raises:
        UsageError: the strength is not positive.
    """

    strength: Positive | None = None
    kind: ClassVar[str] = "budget"

    def __post_init__(self) -> None:
        check_fields(self, "dial")

    @property
    def features(self) -> int:
        """One: the budget."""
        return 1

    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> Self:
        """Return the dial with its strength found from `trade`: no saving of loss is worth exceeding the budget."""
        if trade is None or self.strength is not None:
            return self
        return replace(self, strength=2 * penalty_range(trade)[1])

    def opened(self) -> Self:
        """Return the dial with its strength left open."""
        return replace(self, strength=None)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return budgets (count, 1), uniform in [0, 1]."""
        return torch.rand(count, 1, generator=generator)

    def grid(self, count: int) -> Tensor:
        """Return budgets (count, 1), evenly spaced from 1 down to 0."""
        return torch.linspace(1, 0, count).unsqueeze(1)

    def encode(self, positions: Tensor) -> Tensor:
        """Return the budget itself."""
        return positions

    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return what exceeds the budget, times the strength (n,)."""
        return (self.strength or 20.0) * (cost.fraction(weights) - positions.squeeze(1)).clamp_min(0)

    def check(self, position: Tensor) -> None:
        """Check the budget.

        Raises:
            UsageError: it is not one number in [0, 1].
        """
        value = one_number(self.kind, position)
        if not 0 <= value <= 1:
            raise UsageError(f"budget {value:g}: expected a fraction of the cost range, from 0 to 1")

    def settings(self) -> dict[str, Any]:
        """Return the strength."""
        return {"strength": self.strength}
