"""The hypernetwork of one feature that keeps logits at pivots and interpolates between them."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Size
from archdial.common.validation import conforming
from archdial.hypernet.hypernetwork import Hypernetwork
from archdial.space import Space


class PiecewiseLinear(Hypernetwork):
    """Logits linear between evenly spaced pivots in [0, 1] and constant beyond the ends.

    DARTS-CC as published, whose pivots lie in log λ: the dial takes the logarithm and scales it to [0, 1].
    """

    kind: ClassVar[str] = "piecewise_linear"
    one_feature: ClassVar[bool] = True

    def __init__(self, space: Space, features: int, pivots: Size = 5) -> None:
        """Hold logits (pivots, m, k).

        Raises:
            UsageError: more than one feature, or fewer than two pivots.
        """
        if features != 1:
            raise UsageError(
                f"hypernetwork 'piecewise_linear' needs a dial of one feature, this one has {features}: "
                "use 'mlp' or 'kernel'"
            )
        count: int = conforming(Size, pivots, "pivots")
        if count < 2:
            raise UsageError(f"{count} pivots: expected at least two, one at each end of [0, 1]")
        super().__init__(space, features)
        self.logits = self.start(count)

    def settings(self) -> dict[str, object]:
        """Return the number of pivots."""
        return {"pivots": len(self.logits)}

    def shares(self, features: Tensor) -> Tensor:
        """Return the share (n, p) of each pivot at `features` (n, 1): a hat function, rows sum to one."""
        last = len(self.logits) - 1
        positions = features.clamp(0.0, 1.0) * last
        pivots = torch.arange(last + 1, dtype=features.dtype, device=features.device)
        return (1.0 - (positions - pivots).abs()).clamp_min(0.0)

    def level(self) -> Tensor:
        """Return the logits of all pivots: shares sum to 1."""
        return self.logits

    def raw(self, features: Tensor) -> Tensor:
        """Return the interpolated logits, (n, m, k)."""
        return torch.einsum("np,pmk->nmk", self.shares(features), self.logits)
