"""The hypernetwork that ignores the dial: plain DARTS, the baseline with one search per dial position."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from archdial.hypernet.hypernetwork import Hypernetwork
from archdial.space import Space


class Constant(Hypernetwork):
    """α(z) = a: the architecture parameters of DARTS (DARTS-CC, eq. 2)."""

    kind: ClassVar[str] = "constant"

    def __init__(self, space: Space, features: int) -> None:
        """Hold one parameter (m, k)."""
        super().__init__(space, features)
        self.logits = self.start()

    def level(self) -> Tensor:
        """Return the parameter."""
        return self.logits

    def raw(self, features: Tensor) -> Tensor:
        """Return the parameter for each of the n rows, (n, m, k)."""
        return self.logits.expand(len(features), -1, -1)
