"""The hypernetwork of one feature that holds logits for each of several equal pieces of the dial."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Size
from archdial.common.validation import conforming
from archdial.hypernet.hypernetwork import Hypernetwork
from archdial.space import Space


class PiecewiseConstant(Hypernetwork):
    """Logits of their own for each of `pieces` equal parts of [0, 1]: one architecture a part.

    Borodin (2023): Λ is cut into intervals, and γ is constant on each.
    """

    kind: ClassVar[str] = "piecewise_constant"
    one_feature: ClassVar[bool] = True

    def __init__(self, space: Space, features: int, pieces: Size = 10) -> None:
        """Hold logits (pieces, m, k).

        Raises:
            UsageError: more than one feature, or no piece.
        """
        if features != 1:
            raise UsageError(
                f"hypernetwork 'piecewise_constant' needs a dial of one feature, this one has {features}: "
                "use 'mlp' or 'kernel'"
            )
        count: int = conforming(Size, pieces, "pieces")
        super().__init__(space, features)
        self.logits = self.start(count)

    def settings(self) -> dict[str, object]:
        """Return the number of pieces."""
        return {"pieces": len(self.logits)}

    def piece(self, features: Tensor) -> Tensor:
        """Return the number (n,) of the piece in which `features` (n, 1) lie; 1 is in the last."""
        return (features.squeeze(1) * len(self.logits)).floor().clamp(0, len(self.logits) - 1).to(torch.int64)

    def level(self) -> Tensor:
        """Return the logits of all pieces."""
        return self.logits

    def raw(self, features: Tensor) -> Tensor:
        """Return the logits of each position's piece, (n, m, k)."""
        return self.logits[self.piece(features)]
