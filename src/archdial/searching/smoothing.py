"""Random smoothing of option weights: the supernet's weights are also trained for nearby ones."""

from __future__ import annotations

import torch
from torch import Tensor


def smoothed(weights: Tensor, mask: Tensor, radius: float, generator: torch.Generator) -> Tensor:
    """Return option weights (m, k) plus δ ~ U(−radius, radius), where `mask` (m, k) says that an option is.

    SDARTS-RS (Chen and Hsieh 2020, eq. 4): min over w of E_δ L(w, γ + δ). Up to second order that adds radius² / 6
    times the trace of the loss's Hessian in γ, which drives weights to where discretisation loses little. As all
    options get a weight all of them run, whatever the relaxation.
    """
    if radius == 0:
        return weights
    noise = torch.rand(weights.shape, dtype=weights.dtype, generator=generator)
    return weights + (radius * (2 * noise - 1) * mask).to(weights.device)
