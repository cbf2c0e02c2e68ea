"""The objective shared by all steps: task loss and the dial's penalty."""

from __future__ import annotations

import torch
from torch import Tensor

from archdial.cost.pricing.expected import Cost
from archdial.dial import Dial


def objective(task: Tensor, dial: Dial, positions: Tensor, weights: Tensor, cost: Cost) -> Tensor:
    """Return task loss (n,) or () joined with the penalty at positions (n, d) under option weights (n, m, k), (n,).

    E_z E_γ [ L(w, γ) + penalty(z, γ) ], the objective of all the papers; the mean over n is left to the caller.
    """
    return dial.join(task, dial.penalty(positions, weights, cost))


def entropy(logits: Tensor) -> Tensor:
    """Return the mean entropy in nats over choices, () for logits (…, m, k) with -inf where no option is."""
    log_p = torch.log_softmax(logits, -1)
    present = torch.isfinite(log_p)
    terms = torch.where(present, log_p.exp() * log_p.masked_fill(~present, 0.0), torch.zeros_like(log_p))
    return -terms.sum(-1).mean()
