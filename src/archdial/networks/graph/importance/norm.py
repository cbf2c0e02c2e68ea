"""Weight norm: the magnitude of the weights that read a unit."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from archdial.networks.graph.importance.importance import (
    Example,
    Importance,
    by_unit,
    nothing_yet,
    over,
    summed_over,
)
from archdial.networks.graph.network import GatedNetwork


class Norm(Importance):
    """The Euclidean norm of all weights that read a unit (Li et al. 2017, by groups).

    It asks for no data.
    """

    @torch.no_grad()
    def __call__(self, network: GatedNetwork, examples: Iterable[Example] = ()) -> list[Tensor]:
        """Return the importances; `examples` are not looked at."""
        total = nothing_yet(network.widths)
        for weight, dimension, axis in summed_over(network.body, network.widths):
            for group, square in by_unit(over(weight.square(), dimension), axis, network.widths):
                total[group] += square
        return [squares.sqrt() for squares in total]
