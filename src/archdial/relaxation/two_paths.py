"""The relaxation of ProxylessNAS: two sampled options run, one of them contributes."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from archdial.relaxation.gumbel_softmax import gumbel_like
from archdial.relaxation.relaxation import Relaxation

UNHEARD = 1e-30
"""Weight of the option that runs for the sake of its gradient: too little for any sum to notice, and not zero."""


class TwoPaths(Relaxation):
    """Two options drawn from softmax(α) without replacement, and one of the two by p, their softmax(α / t).

    Forward is the one alone; the gradient is Σ_j ∂L/∂γ_j ∂p_j/∂α over the two (Cai et al. 2019, ProxylessNAS, eq. 4 and
    section 3.2.1, there with t = 1). Where all choices have two options it is, for a loss linear in the weights, right
    in the mean. The paper then shifts both logits so that the odds of the others stay; here a hypernetwork owns them.
    """

    name: ClassVar[str] = "two_paths"
    single_path: ClassVar[bool] = False

    def relax(self, logits: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
        """Return rows with a 1, an all but weightless second option, and zeros, one sample for each leading index."""
        count = min(2, logits.shape[-1])
        # The largest two of logits and Gumbel noise are two draws without replacement, in the order of the draws.
        pair = (logits + gumbel_like(logits, generator)).topk(count, -1).indices
        chances = torch.softmax(logits.gather(-1, pair) / temperature, -1)
        first = torch.rand(chances.shape[:-1], generator=generator, device=generator.device).to(logits.device)
        heard = torch.zeros_like(chances)
        heard[..., 0] = (first < chances[..., 0].detach()).to(chances)
        heard[..., 1:] = 1 - heard[..., :1]
        hard = heard.clamp_min(UNHEARD)
        here = torch.isfinite(logits.gather(-1, pair)).to(hard)
        gates = hard * here + (chances - chances.detach())
        return torch.zeros_like(logits).scatter(-1, pair, gates)
