"""naswot: how differently the rectifiers of a network see the examples of one batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdial.searching.proxies.proxy import Proxy, Untrained
from archdial.tasks.calls import called

RECTIFIERS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardswish, nn.SiLU, nn.GELU)
"""Modules that let positive inputs pass; those called as functions are not seen."""


class Naswot(Proxy):
    """log |det K|, K_ij = N − d(c_i, c_j): N rectifiers, d how many of them are on for one example and off for another.

    Mellor, Turner, Storkey and Crowley (2021), *Neural architecture search without training*, equations 2 and 3.
    BatchNorm takes the batch's statistics. K is of whole numbers, so its determinant is 0 or at least 1: a network that
    sees two examples alike has the least score, 0. What a built member computes once counts once.
    """

    name = "naswot"
    regards = "activations"
    least = 0.0

    def score(self, network: Untrained) -> float:
        """Return the score on all inputs."""
        module, kernels = network.on_batches(), list[Tensor]()
        hooks = [
            part.register_forward_pre_hook(lambda _, inputs: kernels.append(agreements(inputs[0])))
            for part in module.modules()
            if isinstance(part, RECTIFIERS)
        ]
        try:
            with torch.no_grad():
                called(module, network.inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return float(torch.linalg.slogdet(sum(kernels, torch.zeros(1, 1)).double()).logabsdet) if kernels else 0.0


def agreements(inputs: Tensor) -> Tensor:
    """Return for each two examples of a rectifier's inputs (n, …) how many units are on or off for both, (n, n)."""
    # ±1: the product of two codes is their agreements less their differences.
    codes = (inputs.flatten(1) > 0).float() * 2 - 1
    return (codes @ codes.T + codes.shape[1]) / 2
