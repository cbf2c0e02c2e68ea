"""The relaxation that runs one sampled path forward and pretends it was soft backward."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.relaxation.gumbel_softmax import GumbelSoftmax


class StraightThrough(GumbelSoftmax):
    """Straight-through Gumbel-Softmax (Jang et al. 2016, section 2.2): hard forward, soft gradient."""

    name: ClassVar[str] = "straight_through"
    single_path: ClassVar[bool] = True

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return weights of exactly 0 and 1, one sample for each leading index."""
        soft = super().relax(logits, temperature, generator)
        hard = torch.zeros_like(soft).scatter_(-1, soft.argmax(-1, keepdim=True), 1.0)
        # The brackets matter: the difference is exactly zero, while (hard + soft) - soft would round.
        return hard + (soft - soft.detach())
