"""The scalar dial λ, accuracy against cost, log-uniform on a range that is found or given."""

from __future__ import annotations

import math
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

BEYOND = 1e4
"""How many times beyond the nearer end λ may lie, which it then counts as; further off nobody means this dial."""


@register_dial
@dataclass(frozen=True)
class Scalar(Dial):
    """penalty = λ · cost(γ), cost as a fraction of its range; log λ ~ U(log low, log high).

    Borodin's pruning (2023): E_λ E_γ [ L(γ(λ)) + λ Tᵀγ(λ) ]. `low` is where the penalty changes nothing, `high` is
    Λ, where only the cheapest architecture is left; both are found from evaluated architectures unless given.

    Attributes:
        low: lowest λ; found unless given.
        high: highest λ; found unless given.

    Raises:
        UsageError: low or high is not positive, or low is not below high.
    """

    low: Positive | None = None
    high: Positive | None = None
    kind: ClassVar[str] = "scalar"

    def __post_init__(self) -> None:
        check_fields(self, "dial")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise UsageError(f"low = {self.low}, high = {self.high} on the dial scalar: expected low < high")

    @property
    def features(self) -> int:
        """One: the place of log λ in its range."""
        return 1

    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> Self:
        """Return the dial with the open ends of its range found from `trade`."""
        if trade is None or (self.low is not None and self.high is not None):
            return self
        low, high = self._found(trade)
        # An end that was given stays; the one that is found keeps a decade's distance.
        if self.high is not None:
            return replace(self, low=min(low, self.high / 10))
        low = low if self.low is None else self.low
        return replace(self, low=low, high=max(high, low * 10))

    def _found(self, trade: Tradeoff) -> tuple[float, float]:
        return penalty_range(trade)

    def opened(self) -> Self:
        """Return the dial with both ends of its range left open."""
        return replace(self, low=None, high=None)

    @property
    def _ends(self) -> tuple[float, float]:
        # Before the range is found every λ is as good as another: the search asks for none that matters.
        low = self.low or (self.high or 1e1) / 1e4
        return low, self.high or low * 1e4

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Return λ (count, 1), log-uniform on the range."""
        return self._decode(torch.rand(count, 1, generator=generator))

    def grid(self, count: int) -> Tensor:
        """Return λ (count, 1), evenly spaced in log λ from accurate to cheap."""
        return self._decode(torch.linspace(0, 1, count).unsqueeze(1))

    def _decode(self, codes: Tensor) -> Tensor:
        low, high = self._ends
        return torch.exp(math.log(low) + codes * (math.log(high) - math.log(low)))

    def encode(self, positions: Tensor) -> Tensor:
        """Return where log λ lies in its range, in [0, 1]."""
        low, high = self._ends
        code = (positions.log() - math.log(low)) / (math.log(high) - math.log(low))
        return code.clamp(0, 1)

    def penalty(self, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
        """Return λ · cost (n,)."""
        return positions.squeeze(1) * cost.fraction(weights)

    def check(self, position: Tensor) -> None:
        """Check λ, one positive number; just outside the range, it counts as the nearer end.

        Raises:
            UsageError: λ is not a number, not positive, or ten thousand times beyond an end.
        """
        value, (low, high) = one_number(self.kind, position), self._ends
        least = 0.0 if self.low is None else low / BEYOND
        most = math.inf if self.high is None else high * BEYOND
        if not (value > 0 and math.isfinite(value) and least <= value <= most):
            raise UsageError(f"λ = {value:g}: expected a positive number, from {low:.3g} to {high:.3g} on this dial")

    def nearest(self, position: Tensor) -> Tensor:
        """Return the position on the dial: outside the range, the nearer end."""
        known = self.low is not None and self.high is not None
        return position.clamp(*self._ends) if known and bool((position > 0).all()) else position

    def settings(self) -> dict[str, Any]:
        """Return low and high."""
        return {"low": self.low, "high": self.high}
