"""The relaxation of DARTS: every option runs, weighted, without noise."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.relaxation.relaxation import Relaxation


class Softmax(Relaxation):
    """γ = softmax(α / t) (DARTS-CC, eq. 2, there with t = 1)."""

    name: ClassVar[str] = "softmax"
    single_path: ClassVar[bool] = False

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return the softmax; the generator is not used."""
        return torch.softmax(logits / temperature, dim=-1)
