"""The dial of FBNet: the task loss is multiplied by a power of the logarithm of the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from archdial.dial.dial import register_dial
from archdial.dial.multiplicative import Multiplicative


@register_dial
@dataclass(frozen=True)
class LogPower(Multiplicative):
    """task · (1 + log(T(γ) / T₀))^λ, T₀ the cheapest architecture's cost; log λ ~ U(log low, log high).

    Wu et al. (2019, FBNet, eq. 2) descend CE · α · log(T)^β; α changes nothing that is found, and log T, there of
    microseconds, depends on the unit: here it is 1 for the cheapest. Ends of the range are found unless given.
    """

    kind: ClassVar[str] = "log_power"

    def log_base(self, ratio: Tensor) -> Tensor:
        """Return log(1 + log r)."""
        return torch.log1p(ratio.log())
