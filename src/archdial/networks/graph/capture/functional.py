"""Making in-place operations functional, because a dropped operation outputs its input."""

from __future__ import annotations

import inspect
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


_SCATTERS: dict[Any, Any] = {
    torch.ops.aten.slice.Tensor: torch.ops.aten.slice_scatter.default,
    torch.ops.aten.select.int: torch.ops.aten.select_scatter.default,
}
"""What puts a part of a tensor back, by what takes it."""


def make_modules_functional(model: nn.Module) -> None:
    """Let no module of `model` write to its input."""
    for module in model.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]


def make_functional(root: nn.Module, graph: fx.Graph) -> None:
    """Let nothing in `graph` write to its input: what read that after it was written reads the result."""
    for node in list(graph.nodes):
        if not _made_functional(root, node):
            continue
        written = node.args[0]
        if isinstance(written, fx.Node):
            _read_result(graph, written, node)
            _write_through(graph, written, node)
    make_modules_functional(root)
    graph.lint()


def make_reshapes(graph: fx.Graph) -> None:
    """Replace views by reshapes: the user's images may lie in memory in another way than ours."""
    for node in graph.nodes:
        if node.target is torch.ops.aten.view.default:
            node.target = torch.ops.aten.reshape.default
        arguments = (*node.args, *node.kwargs.values())
        of_shape = not any(isinstance(argument, torch.dtype) for argument in arguments)
        if node.op == "call_method" and node.target == "view" and of_shape:
            node.target = "reshape"


def remove_dead(graph: fx.Graph) -> None:
    """Erase the nodes of `graph` that nothing reads.

    fx keeps what might have side effects; a module called for nothing, as a BatchNorm that updates its statistics, is
    dead here all the same.
    """
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op not in {"placeholder", "output"}:
            graph.erase_node(node)


def _made_functional(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether `node` wrote to its first argument; it no longer does, but for a module, which keeps its flag."""
    if node.op == "call_module":
        return getattr(root.get_submodule(str(node.target)), "inplace", False) is True
    target = _functional(node)
    if target is not None:
        node.target = target
        return True
    return node.op == "call_function" and _flag_dropped(node)


def _flag_dropped(node: fx.Node) -> bool:
    """Set `inplace` of a function that has it and got it to False; tell whether it was True."""
    if isinstance(node.target, torch._ops.OpOverload) or not inspect.isfunction(node.target):
        return False
    signature = inspect.signature(node.target)
    if "inplace" not in signature.parameters:
        return False
    bound = signature.bind(*node.args, **node.kwargs)
    if bound.arguments.get("inplace") is not True:
        return False
    bound.arguments["inplace"] = False
    node.args, node.kwargs = bound.args, bound.kwargs
    return True


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
    name = getattr(node.target, "__name__", "")
    if name.endswith("_") and not name.endswith("__") and getattr(torch, name, None) is node.target:
        return getattr(torch, name[:-1], None)
    return _IN_PLACE.get(node.target)


def _write_through(graph: fx.Graph, view: fx.Node, result: fx.Node) -> None:
    """Let all that read what `view` is a part of after it was written to, as by `x[:, 1:] = …`, read the new whole."""
    while view.target in _SCATTERS:
        whole, *where = view.args
        assert isinstance(whole, fx.Node)
        with graph.inserting_after(result):
            written = graph.call_function(_SCATTERS[view.target], (whole, result, *where), dict(view.kwargs))
        _read_result(graph, whole, written)
        view, result = whole, written


def _read_result(graph: fx.Graph, written: fx.Node, result: fx.Node) -> None:
    """Let all that read `written` after it was written to read `result`."""
    order = {node: place for place, node in enumerate(graph.nodes)}
    for user in list(written.users):
        if order[user] > order[result]:
            user.replace_input_with(written, result)
