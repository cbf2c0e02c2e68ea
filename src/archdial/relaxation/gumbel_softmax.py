"""The relaxation of FBNet and KOT-DARTS: a soft sample that hardens as the temperature falls."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.relaxation.relaxation import Relaxation


class GumbelSoftmax(Relaxation):
    """γ = softmax((α + g) / t), g standard Gumbel noise (Jang et al. 2016, eq. 2).

    The largest weight falls on option j with probability softmax(α)_j, at any temperature.
    """

    name: ClassVar[str] = "gumbel_softmax"
    single_path: ClassVar[bool] = False

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return one soft sample for each leading index."""
        return torch.softmax((logits + gumbel_like(logits, generator)) / temperature, dim=-1)


def gumbel_like(logits: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard Gumbel noise of the shape, dtype and device of `logits`."""
    waits = torch.empty(logits.shape, dtype=logits.dtype, device=generator.device).exponential_(generator=generator)
    # An exact zero would become infinite noise, and the softmax NaN.
    return -waits.clamp_min(torch.finfo(waits.dtype).tiny).log().to(logits.device)
