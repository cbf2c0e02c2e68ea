"""In-place work made functional: where an operation may be dropped, its output may be its input."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn

_IN_PLACE: dict[Any, Any] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}


def make_modules_functional(model: nn.Module) -> None:
    """Let no module of `model` write to its input."""
    for module in model.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]


def make_functional(graph: fx.Graph) -> None:
    """Replace in-place functions and methods of `graph` by those that return a new tensor."""
    for node in list(graph.nodes):
        target = _functional(node)
        if target is None:
            continue
        written = node.args[0]
        node.target = target
        if isinstance(written, fx.Node):
            _read_result(graph, written, node)
    graph.lint()


def _functional(node: fx.Node) -> Any | None:
    if node.op == "call_method" and str(node.target).endswith("_") and not str(node.target).endswith("__"):
        return str(node.target)[:-1]
    if node.op != "call_function":
        return None
    if isinstance(node.target, torch._ops.OpOverload):
        space, name = node.target._schema.name.split("::")
        if not name.endswith("_"):
            return None
        packet = getattr(getattr(torch.ops, space), name[:-1], None)
        return None if packet is None else getattr(packet, node.target._overloadname, None)
    return _IN_PLACE.get(node.target)


def _read_result(graph: fx.Graph, written: fx.Node, result: fx.Node) -> None:
    """Let all that read `written` after it was written to read `result`."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    for user in list(written.users):
        if order[user] > order[result]:
            user.replace_input_with(written, result)
