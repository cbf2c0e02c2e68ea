"""What the search asks of costs, be they of one device or of several."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from archdial.cost.expected import ExpectedCost
    from archdial.space import Architecture


class Cost(ABC):
    """The costs of one space."""

    @property
    @abstractmethod
    def each(self) -> tuple[ExpectedCost, ...]:
        """The cost on each device."""

    @property
    @abstractmethod
    def ratio(self) -> Tensor:
        """The dearest architecture's cost over the cheapest one's: () on one device, else (devices,)."""

    @abstractmethod
    def extremes(self) -> tuple[Architecture, ...]:
        """Return the cheapest and the dearest architecture, of each device."""

    @abstractmethod
    def fraction(self, weights: Tensor) -> Tensor:
        """Return (cost - lowest) / (highest - lowest) of `weights` (…, m, k): (…) on one device, else (…, devices)."""
