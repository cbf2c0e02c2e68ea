"""jacob_cov: how differently a network varies around the examples of one batch."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from archdial.networks.example import flat
from archdial.searching.proxies.proxy import Proxy, Untrained
from archdial.tasks.calls import called

_K = 1e-5


class JacobianCovariance(Proxy):
    """−Σ_i [log(σ_i + k) + 1 / (σ_i + k)], σ the eigenvalues of the correlations of ∂f/∂x_1 … ∂f/∂x_n, k = 1e-5.

    Mellor, Turner, Storkey and Crowley (2020), the first version of *Neural architecture search without training*,
    equation 4; f is the sum of all outputs, and BatchNorm takes the batch's statistics. The mean over the examples, so
    that the least score is that of a σ of 0.
    """

    name = "jacob_cov"
    regards = "derivatives"
    least = -(math.log(_K) + 1 / _K)
    perturbs = True

    def score(self, network: Untrained) -> float:
        """Return the score on all inputs."""
        varied = pytree.tree_map_only(Tensor, lambda one: one.detach().clone().requires_grad_(), network.inputs)
        outputs = pytree.tree_leaves(called(network.on_batches(), varied))
        total = sum((one.sum() for one in outputs if isinstance(one, Tensor)), torch.zeros(()))
        if not total.requires_grad:
            return self.least
        found = torch.autograd.grad(total, flat(varied), allow_unused=True, materialize_grads=True)
        correlations = torch.corrcoef(torch.cat([one.flatten(1) for one in found], 1).double())
        if not correlations.isfinite().all():
            return self.least
        values = torch.linalg.eigvalsh(correlations).clamp_min(0) + _K
        return float(-(values.log() + 1 / values).mean())
