"""The dial of MnasNet: the task loss is multiplied by a power of the cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from archdial.dial.dial import register_dial
from archdial.dial.multiplicative import Multiplicative


@register_dial
@dataclass(frozen=True)
class Power(Multiplicative):
    """task · (T(γ) / T₀)^λ, T₀ the cheapest architecture's cost; log λ ~ U(log low, log high).

    Tan et al. (2019, MnasNet, eq. 2) maximise accuracy · (T / T₀)^w with w < 0, T₀ a target; as a factor of the whole
    objective, the target does not change the result. At λ = 1, half the cost makes up for twice the loss. The ends of
    the range are found unless given.
    """

    kind: ClassVar[str] = "power"

    def log_base(self, ratio: Tensor) -> Tensor:
        """Return log r."""
        return ratio.log()
