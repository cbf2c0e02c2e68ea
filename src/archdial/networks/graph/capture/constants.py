"""Folding constants into buffers, which move between devices with the network."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn


def fold_constants(root: nn.Module, graph: fx.Graph, flow: dict[fx.Node, Any], written: frozenset[str]) -> None:
    """Replace nodes of `graph` that compute from constants alone by buffers of `root` outside its state dict.

    Args:
        root: owner of what the graph reads.
        graph: changed in place.
        flow: what each node gives.
        written: names of the buffers that hold what the code wrote as a tensor.
    """
    constant: set[fx.Node] = set()
    for node in list(graph.nodes):
        computed = node.op in {"call_function", "call_method"} and set(node.all_input_nodes) <= constant
        if computed or (node.op == "get_attr" and node.target in written):
            constant.add(node)
    for node in constant:
        if node.op == "get_attr":
            continue
        value = flow[node]
        if isinstance(value, Tensor) and not set(node.users) <= constant:
            _replace(root, graph, node, value, flow)
    for node in reversed(list(graph.nodes)):
        if node in constant and not node.users:
            graph.erase_node(node)
            flow.pop(node)
    for name in written - {str(node.target) for node in graph.nodes if node.op == "get_attr"}:
        delattr(root, name)


def _replace(root: nn.Module, graph: fx.Graph, node: fx.Node, value: Tensor, flow: dict[fx.Node, Any]) -> None:
    name = f"constant_{node.name}"
    root.register_buffer(name, value.clone(), persistent=False)
    with graph.inserting_before(node):
        held = graph.create_node("get_attr", name)
    node.replace_all_uses_with(held)
    flow[held] = value
