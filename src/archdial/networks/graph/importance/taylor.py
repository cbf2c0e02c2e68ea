"""First-order Taylor: the change in loss if a unit is masked, by its gradient (Molchanov et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from archdial.networks.eval_mode import in_eval_mode
from archdial.networks.graph.importance.importance import (
    Example,
    Importance,
    Read,
    by_unit,
    nothing_yet,
    over,
    summed_over,
)
from archdial.networks.graph.network import GatedNetwork


class Taylor(Importance):
    """The sum over batches of (Σ w · ∂loss/∂w)², over all weights that read a unit (Molchanov et al. 2019, eq. 8).

    That sum is the gradient of the loss by a mask of the unit: of everything that reads it at once.
    """

    def __call__(self, network: GatedNetwork, examples: Iterable[Example]) -> list[Tensor]:
        """Return the importances; the network is in eval mode meanwhile, and its gradients are not touched."""
        read = summed_over(network.body, network.widths)
        weights = list({id(weight): weight for weight, _, _ in read}.values())
        total = nothing_yet(network.widths)
        free = [weight for weight in weights if not weight.requires_grad]
        for weight in free:
            weight.requires_grad_(True)
        try:
            with in_eval_mode(network):
                for example in examples:
                    for group, change in enumerate(_changes(network, example, read, weights)):
                        total[group] += change.square()
        finally:
            for weight in free:
                weight.requires_grad_(False)
        return total


def _changes(network: GatedNetwork, example: Example, read: Sequence[Read], weights: Sequence[Tensor]) -> list[Tensor]:
    inputs, loss = example
    whole = network.space.one_hot(network.whole).to(weights[0].device)
    with torch.enable_grad():
        gradients = torch.autograd.grad(loss(network(inputs, whole)), weights, allow_unused=True)
    by_weight = {id(weight): gradient for weight, gradient in zip(weights, gradients, strict=True)}
    found = nothing_yet(network.widths)
    for weight, dimension, axis in read:
        if (gradient := by_weight[id(weight)]) is not None:
            for group, change in by_unit(over(weight.detach() * gradient, dimension), axis, network.widths):
                found[group] += change
    return found
