"""grad_norm: how strongly the loss of one batch pulls at new weights."""

from __future__ import annotations

import torch

from archdial.searching.proxies.proxy import Proxy, Untrained, log
from archdial.tasks.calls import called


class GradientNorm(Proxy):
    """log Σ_θ ‖∂L/∂θ‖₂ over the weights θ of each layer, L the loss of one batch.

    Abdelfattah, Mehrotra, Dudziak and Lane (2021), *Zero-cost proxies for lightweight NAS*, section 3.1. BatchNorm
    takes the batch's statistics. Biases do not count: that of the last layer has a gradient where no path leads to it.
    """

    name = "grad_norm"
    regards = "gradients"

    def score(self, network: Untrained) -> float:
        """Return the score on all inputs."""
        module = network.on_batches()
        weights = [weight for weight in module.parameters() if weight.requires_grad and weight.ndim > 1]
        loss = network.loss(called(module, network.inputs))
        if not weights or not loss.requires_grad:
            return log(0.0)
        gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        return log(sum(float(one.norm()) for one in gradients if one is not None))
