"""Activation importance: the magnitude of a unit's values where they are read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.eval_mode import in_eval_mode
from archdial.networks.graph.importance.importance import Example, Importance, by_unit, nothing_yet, over
from archdial.networks.graph.network import GatedNetwork


class Activation(Importance):
    """The root of the mean square of what layers read of a unit, over examples and all layers that read it."""

    @torch.no_grad()
    def __call__(self, network: GatedNetwork, examples: Iterable[Example]) -> list[Tensor]:
        """Return the importances; the network is in eval mode meanwhile."""
        total = nothing_yet(network.widths)
        hooks = [
            network.body.get_submodule(str(node.target)).register_forward_pre_hook(_noting(network, node, total))
            for node in network.widths.contracted
            if node.op == "call_module" and isinstance(node.args[0], fx.Node)
        ]
        try:
            whole = network.space.one_hot(network.whole)
            with in_eval_mode(network):
                for inputs, _ in examples:
                    network(inputs, whole)
        finally:
            for hook in hooks:
                hook.remove()
        return [squares.sqrt() for squares in total]


def _noting(network: GatedNetwork, node: fx.Node, total: list[Tensor]) -> Any:
    (source, *_), widths = node.args, network.widths
    assert isinstance(source, fx.Node)

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        (tensor, *_) = inputs
        for dimension, axis in enumerate(widths.axes.get(source) or ()):
            if axis is not None:
                others = tensor.numel() / tensor.shape[dimension]
                for group, square in by_unit(over(tensor.square(), dimension) / others, axis, widths):
                    total[group] += square

    return note
