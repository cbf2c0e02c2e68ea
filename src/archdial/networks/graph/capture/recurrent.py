"""Putting recurrent layers back as modules: exported ones have no dropout in training."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

aten = torch.ops.aten
_LAYERS: dict[Any, type[nn.RNNBase]] = {
    aten.lstm.input: nn.LSTM,
    aten.gru.input: nn.GRU,
    aten.rnn_tanh.input: nn.RNN,
    aten.rnn_relu.input: nn.RNN,
}


def put_back_recurrent(model: nn.Module, graph: fx.Graph) -> None:
    """Replace what a recurrent layer of `model` became in `graph` by a call of it, where nothing else was its code."""
    for node in list(graph.nodes):
        stack = list(node.meta.get("nn_module_stack", {}).items())
        kind = _LAYERS.get(node.target)
        if kind is None or not stack:
            continue
        key, (path, _) = stack[-1]
        inside = {one for one in graph.nodes if key in one.meta.get("nn_module_stack", {})}
        arguments = _arguments(node, inside)
        if type(model.get_submodule(path)).forward is kind.forward and arguments is not None:
            _put_back(graph, path, node, arguments)


def _arguments(node: fx.Node, inside: set[fx.Node]) -> tuple[Any, ...] | None:
    """Return what the layer was called with; None where it changed that first, as it does with a lone sequence."""
    inputs, state = node.args[0], node.args[1]
    states = list(state) if isinstance(state, list | tuple) else [state]
    made = [one in inside for one in states]
    if inputs in inside or any(made) != all(made):
        return None
    return (inputs,) if all(made) else (inputs, tuple(states) if len(states) > 1 else states[0])


def _put_back(graph: fx.Graph, path: str, node: fx.Node, arguments: tuple[Any, ...]) -> None:
    with graph.inserting_before(node):
        call = graph.call_module(path, arguments)
        # An LSTM gives two states, and both as its second result.
        states = graph.call_function(operator.getitem, (call, 1)) if node.target is aten.lstm.input else None
    call.meta = {"val": node.meta["val"], "nn_module_stack": dict(list(node.meta["nn_module_stack"].items())[:-1])}
    for taken in list(node.users):
        place: Any = taken.args[1]
        taken.args = (call, place) if states is None or place == 0 else (states, place - 1)
    for one in (node, *([states] if states is not None else [])):
        if not one.users:
            graph.erase_node(one)
