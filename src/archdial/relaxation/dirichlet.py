"""The relaxation of DrNAS: option weights are drawn from a Dirichlet distribution with a learned mean."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from archdial.relaxation.relaxation import Relaxation

LEAST = 1e-3
"""Added to each concentration: one that is all but 0 has gradients beyond what single precision holds."""


class Dirichlet(Relaxation):
    """γ ~ Dir(t · β), β = elu(α) + 1 (Chen et al. 2021, DrNAS, section 2.2, there with t = 1).

    The mean is β / Σ β at any temperature; as t falls draws move to the corners. Differentiable in β pathwise: a draw
    is made of Gamma variables, and Gamma(a) of Gamma(a + 1) · U^(1/a), in logarithms, as small concentrations ask for.
    """

    name: ClassVar[str] = "dirichlet"
    single_path: ClassVar[bool] = False

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return one draw for each leading index."""
        present = torch.isfinite(logits)
        concentration = temperature * (functional.elu(logits.masked_fill(~present, 0.0)) + 1 + LEAST)
        here = concentration.to(generator.device)
        uniform = torch.rand(here.shape, dtype=here.dtype, device=here.device, generator=generator)
        # What torch.distributions.Gamma draws with, which takes no generator.
        gamma = torch._standard_gamma(here + 1, generator=generator)
        log = gamma.log() + uniform.clamp_min(torch.finfo(uniform.dtype).tiny).log() / here
        return torch.softmax(log.to(logits.device).masked_fill(~present, -torch.inf), -1)
