"""The hypernetwork of DARTS-CC: logits linear in the dial."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.hypernet.hypernetwork import Hypernetwork
from archdial.space import Space


class Linear(Hypernetwork):
    """α(z) = z b₁ + b₂ (DARTS-CC, eq. 5), for any number of features."""

    kind: ClassVar[str] = "linear"

    def __init__(self, space: Space, features: int) -> None:
        """Hold the slope b₁ (f, m, k) and the offset b₂ (m, k)."""
        super().__init__(space, features)
        self.slope = self.start(features)
        self.offset = self.start()

    def level(self) -> Tensor:
        """Return the offset."""
        return self.offset

    def raw(self, features: Tensor) -> Tensor:
        """Return z b₁ + b₂, (n, m, k)."""
        return torch.einsum("nf,fmk->nmk", features, self.slope) + self.offset
