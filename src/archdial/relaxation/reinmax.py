"""The second-order straight-through relaxation: one sampled path forward, Heun's rule backward."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.relaxation.gumbel_softmax import gumbel_like
from archdial.relaxation.relaxation import Relaxation


class ReinMax(Relaxation):
    """ReinMax (Liu et al. 2023, algorithm 2): D ~ softmax(α), and for the gradient 2 π₁ − π₀ / 2.

    π₀ = softmax(α), π₁ = softmax(α + [ln((D + softmax(α / t)) / 2) − α]), the brackets a constant. Where the loss is
    quadratic in the weights the gradient is that of its expectation, with t = 1; straight-through is right where it is
    linear.
    """

    name: ClassVar[str] = "reinmax"
    single_path: ClassVar[bool] = True

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return weights of exactly 0 and 1, one sample for each leading index."""
        present = torch.isfinite(logits)
        taken = (logits + gumbel_like(logits, generator)).argmax(-1, keepdim=True)
        hard = torch.zeros_like(logits).scatter_(-1, taken, 1.0)
        first = torch.softmax(logits, -1)
        with torch.no_grad():
            between = (hard + torch.softmax(logits / temperature, -1)) / 2
            shift = torch.where(present, between.clamp_min(torch.finfo(between.dtype).tiny).log() - logits, 0.0)
        second = torch.softmax(logits + shift, -1)
        soft = 2 * second - first / 2
        return hard + (soft - soft.detach())
