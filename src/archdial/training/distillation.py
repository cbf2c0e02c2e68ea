"""How far a network's outputs are from those of its teacher (Hinton et al. 2015)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def apart(logits: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Return the divergence () of softened `logits` (n, classes) from a teacher's `target`, times temperature²."""
    own, wanted = torch.log_softmax(logits / temperature, 1), torch.log_softmax(target / temperature, 1)
    return functional.kl_div(own, wanted, log_target=True, reduction="batchmean") * temperature**2
