"""Normalisation over units with masked ones: statistics only cover the others."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class MaskedNorm(nn.Module):
    """What a LayerNorm or RMSNorm over one dimension gives where some of its units are masked.

    Args:
        module: its weights are read as they are.
        mask: of each place it normalises over (n,); gradients flow into it.
    """

    def __init__(self, module: nn.LayerNorm | nn.RMSNorm, mask: Tensor) -> None:
        super().__init__()
        # In no list of submodules: the copy is for one call, and owns nothing.
        self._of: Any = (module,)
        self._mask = mask

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` (…, n), normalised; what is masked is divided by the same number as the rest."""
        (module,) = self._of
        mask = self._mask.to(x.dtype)
        count = mask.sum()
        if isinstance(module, nn.LayerNorm):
            x = x - (x * mask).sum(-1, keepdim=True) / count
        eps = module.eps if module.eps is not None else torch.finfo(x.dtype).eps
        x = x * ((x.square() * mask).sum(-1, keepdim=True) / count + eps).rsqrt() * module.weight
        bias = getattr(module, "bias", None)
        return x if bias is None else x + bias


def normalises_a_stream(module: nn.Module) -> bool:
    """Tell whether `module` is of torch, and normalises over the last dimension with weights of its own."""
    if type(module) not in {nn.LayerNorm, nn.RMSNorm}:
        return False
    return module.weight is not None and len(module.normalized_shape) == 1  # type: ignore[arg-type]
