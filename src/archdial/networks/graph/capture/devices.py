"""Creating tensors on the device of the inputs instead of the example's, so that networks can be moved."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx


def follow_inputs(graph: fx.Graph, flow: dict[fx.Node, Any]) -> None:
    """Let each call of `graph` that names the device of the first input ask that input for it.

    Args:
        graph: changed in place; what no input decides is no longer in it, as it would then depend on one.
        flow: what each node gives.
    """
    own = next(flow[node].device for node in graph.nodes if node.op == "placeholder")
    naming = [node for node in graph.nodes if own in _values(node)]
    if not naming:
        return
    device = device_of_input(graph)
    flow[device] = own
    for node in naming:
        node.args, node.kwargs = _replaced(node.args, own, device), _replaced(node.kwargs, own, device)


def device_of_input(graph: fx.Graph) -> fx.Node:
    """Add a node to `graph`, behind its inputs, that gives the device of the first of them."""
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    with graph.inserting_after(inputs[-1]):
        return graph.call_function(getattr, (inputs[0], "device"))


def _values(node: fx.Node) -> list[Any]:
    return [value for value in (*node.args, *node.kwargs.values()) if isinstance(value, torch.device)]


def _replaced(arguments: Any, own: torch.device, device: fx.Node) -> Any:
    return fx.node.map_aggregate(arguments, lambda value: device if value == own else value)
