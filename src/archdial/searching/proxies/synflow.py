"""synflow: how much flows along all paths, each the product of its absolute weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils import _pytree as pytree

from archdial.searching.proxies.proxy import Proxy, Untrained, called_with, log


class Synflow(Proxy):
    """log Σ_θ θ ∂R/∂θ with R = 1ᵀ (Π_ℓ |θ_ℓ|) 1, what comes out for ones under absolute weights.

    Tanaka, Kunin, Yamins and Ganguli (2020), *Pruning neural networks without any data by iteratively conserving
    synaptic flow*, equation 2; as a score of networks in Abdelfattah et al. (2021). BatchNorm does nothing but with its
    own new weights: mean 0, variance 1. Tokens are those of the first example, whose embeddings are weights too. In
    float64, as products of many layers leave the range of float32.
    """

    name = "synflow"
    regards = "gradients"

    def score(self, network: Untrained) -> float:
        """Return the score; it needs no data but the shape of one input."""
        module = network.module.eval()
        own = {name: weight.detach().double().abs() for name, weight in module.named_parameters()}
        # No path leads through a bias, and with one the output of a network without paths would not be 0.
        biases = {name: torch.zeros_like(weight) for name, weight in own.items() if name.endswith("bias")}
        weights = {name: weight.requires_grad_() for name, weight in own.items() if name not in biases}
        outputs = called_with(module, {**weights, **biases, **_neutral(module)}, pytree.tree_map(_ones, network.inputs))
        flow = sum((leaf.sum() for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)), torch.zeros(()))
        if not flow.requires_grad:
            return log(0.0)
        gradients = torch.autograd.grad(flow, list(weights.values()), allow_unused=True)
        pairs = zip(weights.values(), gradients, strict=True)
        return log(sum(float((weight.detach() * gradient).sum()) for weight, gradient in pairs if gradient is not None))


def _neutral(module: nn.Module) -> dict[str, Tensor]:
    """Return the floating point buffers in float64, running statistics as those of a new layer."""
    found = {name: buffer.double() for name, buffer in module.named_buffers() if buffer.is_floating_point()}
    for path, norm in module.named_modules():
        if isinstance(norm, _BatchNorm) and norm.running_mean is not None and norm.running_var is not None:
            found[f"{path}.running_mean"] = torch.zeros_like(norm.running_mean, dtype=torch.float64)
            found[f"{path}.running_var"] = torch.ones_like(norm.running_var, dtype=torch.float64)
    return found


def _ones(inputs: object) -> object:
    if not isinstance(inputs, Tensor):
        return inputs
    return torch.ones_like(inputs[:1], dtype=torch.float64) if inputs.is_floating_point() else inputs[:1]
