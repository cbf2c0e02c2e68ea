"""Calls as torch.fx can trace them again: what is pickled is only code, and is traced again where it is loaded."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import fx, nn

from archdial.networks.graph.capture.devices import device_of_input

aten = torch.ops.aten
_MADE = {aten.zeros.default: torch.zeros, aten.ones.default: torch.ones, aten.full.default: torch.full}
_SHAPED = {
    aten.expand.default: torch.broadcast_to,
    aten.reshape.default: torch.reshape,
    aten.view.default: torch.reshape,
}


def bind_buffers(root: nn.Module, graph: fx.Graph) -> None:
    """Let calls of `graph` that read nothing but buffers of `root` read them where the first input is.

    A tracer sees parameters and what flows: what is computed of buffers alone it takes for a constant, and what is
    unpickled would have that in its state dict.
    """
    buffers = {node for node in graph.nodes if node.op == "get_attr" and _is_buffer(root, node)}
    calls = [node for node in graph.nodes if node.op in {"call_function", "call_method"} and node.all_input_nodes]
    if not (hidden := [node for node in calls if buffers.issuperset(node.all_input_nodes)]):
        return
    device = device_of_input(graph)
    for node in hidden:
        for buffer in node.all_input_nodes:
            with graph.inserting_before(node):
                # That is where it is already: the call gives the buffer itself.
                bound = graph.call_function(aten.to.dtype_layout, (buffer,), {"device": device})
            node.replace_input_with(buffer, bound)


def _is_buffer(root: nn.Module, node: fx.Node) -> bool:
    path, _, name = str(node.target).rpartition(".")
    return name in root.get_submodule(path)._buffers


def make_retraceable(graph: fx.Graph) -> None:
    """Change calls of `graph` in which nothing but a list holds what is computed: no tracer sees such a call."""
    for node in graph.nodes:
        if node.op == "call_function" and _is_hidden(node):
            _change(node)


def _is_hidden(node: fx.Node) -> bool:
    """Tell whether the call has computed numbers or tensors in its lists, and none beside them."""
    beside = [one for one in (*node.args, *node.kwargs.values()) if isinstance(one, fx.Node) and one.op != "get_attr"]
    lists = [one for one in node.args if isinstance(one, list | tuple)]
    return not beside and any(isinstance(part, fx.Node) for one in lists for part in one)


def _change(node: fx.Node) -> None:
    target: Any = node.target
    if target in _MADE:
        made: Any = _MADE[target]
        node.target, node.kwargs = made, _told(node.kwargs)
    elif target in _SHAPED:
        shaped: Any = _SHAPED[target]
        node.target = shaped
    elif target is aten.index.Tensor:
        places = tuple(slice(None) if one is None else one for one in node.args[1])  # type: ignore[union-attr]
        node.target, node.args = operator.getitem, (node.args[0], places)


def _told(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments but for those that say nothing; torch's own functions know no pin_memory of None."""
    return {name: value for name, value in arguments.items() if value is not None}
