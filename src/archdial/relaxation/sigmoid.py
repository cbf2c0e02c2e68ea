"""The relaxation of FairDARTS: options have independent weights and do not compete."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.relaxation.relaxation import Relaxation

ZERO_ONE = 10.0
"""Weight of the zero-one loss, as published."""


class Sigmoid(Relaxation):
    """γ = σ(α / t) (Chu et al. 2020, FairDARTS, eq. 3, there with t = 1); options do not compete, rows sum to anything.

    Identities then win no weight from convolutions by being learnt first. The zero-one loss, L = −w · mean (σ(α) − ½)²
    (eq. 6), drives each weight to an end: what is taken at last is the option of the largest, and must not differ much
    from what was trained.
    """

    name: ClassVar[str] = "sigmoid"
    single_path: ClassVar[bool] = False
    normalised: ClassVar[bool] = False

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return the weights; the generator is not used."""
        return torch.sigmoid(logits / temperature)

    def regulariser(self, logits: Tensor) -> Tensor:
        """Return the zero-one loss (…) of `logits` (…, m, k)."""
        present = self.mask.to(logits.device)
        apart = (torch.sigmoid(logits) - 0.5).square().masked_fill(~present, 0.0)
        return -ZERO_ONE * apart.sum((-2, -1)) / present.sum()
