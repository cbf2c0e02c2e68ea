"""The dial that reaches the whole Pareto front: the greater of what is lost and what is spent counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Number
from archdial.common.metrics import pareto_front
from archdial.dial.dial import Tradeoff, register_dial
from archdial.dial.range import MARGIN, RESOLUTION
from archdial.dial.scalar import Scalar

BEYOND_BEST = 0.05
"""How far below the best loss the aim lies, as a fraction of the range of losses: what is found later may be better."""

BOTH = 0.02
"""Weight of the sum of both: of equal maxima, the architecture that is better in the other counts."""


@register_dial
@dataclass(frozen=True)
class Chebyshev(Scalar):
    """max(loss′, λ · cost) + ε · (loss′ + λ · cost), loss′ from 0 at the aim to 1; log λ ~ U(log low, log high).

    The augmented weighted Chebyshev distance to an aim that nothing reaches (Steuer and Choo 1983). A sum of loss and
    λ · cost has its minima on the convex hull of the Pareto front only; this has one for every member of the front.

    Attributes:
        low: lowest λ; found unless given.
        high: highest λ; found unless given.
        best: loss of the most accurate architecture that was evaluated; found unless given.
        worst: loss of the least accurate; found unless given.

    Raises:
        UsageError: low or high is not positive, low is not below high, or best is above worst.
    """

    best: Number | None = None
    worst: Number | None = None
    kind: ClassVar[str] = "chebyshev"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.best is not None and self.worst is not None and self.best > self.worst:
            raise UsageError(f"best = {self.best}, worst = {self.worst} on the dial chebyshev: expected best ≤ worst")

    def fitted(self, kinds: tuple[str, ...], trade: Tradeoff | None = None) -> Self:
        """Return the dial with range and losses, where open, found from `trade`."""
        if trade is None:
            return self
        best, worst = float(trade.losses.min()), float(trade.losses.max())
        # What was given may lie beyond all that was evaluated.
        best = min(best, worst if self.worst is None else self.worst) if self.best is None else self.best
        known = replace(self, best=best, worst=max(worst, best) if self.worst is None else self.worst)
        return super(Chebyshev, known).fitted(kinds, trade)

    def _found(self, trade: Tradeoff) -> tuple[float, float]:
        """Return from where only the most accurate architecture is chosen to where only the cheapest is.

        Of two neighbours on the front the cheaper one takes over where its loss equals λ times the cost of the other.
        """
        losses, costs = self._lost(trade.losses).tolist(), trade.costs.tolist()
        # From cheap to accurate.
        ends = pairwise(pareto_front(costs, [-loss for loss in losses]))
        # A best or worst that was given may lie within what was evaluated.
        turns = [max(losses[cheap], BEYOND_BEST) / max(costs[dear], RESOLUTION) for cheap, dear in ends]
        if not turns:
            return 1e-2, 1e2
        return min(turns) / MARGIN, max(turns) * MARGIN

    def opened(self) -> Self:
        """Return the dial with range and losses left open."""
        return replace(self, low=None, high=None, best=None, worst=None)

    def join(self, task: Tensor, penalty: Tensor) -> Tensor:
        """Return the greater of loss′ and penalty, and a little of both."""
        lost = self._lost(task)
        return torch.maximum(lost, penalty) + BOTH * (lost + penalty)

    def _lost(self, losses: Tensor) -> Tensor:
        best = 0.0 if self.best is None else self.best
        span = max((1.0 if self.worst is None else self.worst) - best, 1e-6)
        return (losses - best) / span + BEYOND_BEST

    def settings(self) -> dict[str, Any]:
        """Return the range and the losses."""
        return {**super().settings(), "best": self.best, "worst": self.worst}
