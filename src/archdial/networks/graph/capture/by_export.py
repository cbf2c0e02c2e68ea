"""Capturing a network by torch.export, with its leaf modules put back as module calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree

from archdial.networks.calling import Calling
from archdial.networks.graph.capture.caches import left_alone
from archdial.networks.graph.capture.called_with import calls_of_one_tensor
from archdial.networks.graph.capture.outputs import chosen
from archdial.networks.graph.capture.recurrent import put_back_recurrent
from archdial.networks.standalone import attribute_of

Leaf = Callable[[nn.Module], bool]


def exported(
    model: nn.Module,
    calling: Calling,
    example: Sequence[Tensor],
    outputs: Sequence[str] | None,
    leaf: Leaf,
    *,
    lengths: bool = False,
) -> fx.Graph:
    """Return the graph of `model` on a batch like `example`, of any size; its targets are names within `model`.

    Constants that the export lifts out of the code become buffers of `model` that its state dict leaves out.

    Args:
        lengths: other lengths are taken too, as far as the code allows for them.

    Raises:
        Exception: whatever torch.export raises where it cannot follow the code.
    """
    with (
        left_alone(model),
        _choosing(model, calling, outputs),
        calls_of_one_tensor(model, leaf) as put_back,
        torch.no_grad(),
    ):
        # Without gradients, as code that turns them off would else stand in a graph of its own (rotary embeddings).
        program = torch.export.export(model, tuple(example), dynamic_shapes=_free(example, lengths), strict=False)
    captured = program.module()
    graph = fx.Graph()
    result = graph.graph_copy(_without_guards(captured).graph, {})
    graph.output(_as_given(result, program.call_spec.out_spec))
    _name_inputs(graph, calling.names)
    _adopt_constants(model, captured, graph)
    put_back_recurrent(model, graph)
    for path, nodes in _calls(model, graph, leaf):
        module = model.get_submodule(path)
        if module in put_back and (getattr(module, "inplace", False) is True or not _write(nodes)):
            _put_back(graph, path, nodes)
    _erase_unused(graph)
    graph.lint()
    return graph


@contextmanager
def _choosing(model: nn.Module, calling: Calling, outputs: Sequence[str] | None) -> Iterator[None]:
    """Let `model` take tensors by position and return only what is kept: caches of a network cannot be exported."""
    own, instance = model.forward, vars(model).copy()

    def forward(*tensors: Tensor) -> Any:
        return chosen(calling.call(own, tensors), outputs)

    model.forward = forward
    try:
        yield
    finally:
        del model.forward
        if "forward" in instance:
            model.forward = instance["forward"]


def _free(example: Sequence[Tensor], lengths: bool) -> Any:
    """Return which dimensions may have any size: the batch, and others that no weight settles."""
    count, any_size = len(example[0]), torch.export.Dim.AUTO
    batched = [one.dim() > 0 and len(one) == count for one in example]
    own = [range(one.dim() if lengths else int(there)) for one, there in zip(example, batched, strict=True)]
    return (tuple(dict.fromkeys(dimensions, any_size) or None for dimensions in own),)


def _as_given(result: Any, spec: _pytree.TreeSpec) -> Any:
    """Return the nodes of a network's output in the form in which it gives them."""
    flat = [result] if isinstance(result, fx.Node) else list(_pytree.tree_leaves(result))
    return _pytree.tree_unflatten(flat, spec)


def _name_inputs(graph: fx.Graph, names: Sequence[str]) -> None:
    placeholders = [node for node in graph.nodes if node.op == "placeholder"]
    for node, name in zip(placeholders, names, strict=True):
        node.target = name
        node._rename(name)


def _without_guards(captured: fx.GraphModule) -> fx.GraphModule:
    """Drop the checks on inputs: they would refuse another image size before the network does."""
    for node in list(captured.graph.nodes):
        if node.op == "call_module" and node.target == "_guards_fn":
            captured.graph.erase_node(node)
    return captured


def _adopt_constants(model: nn.Module, captured: fx.GraphModule, graph: fx.Graph) -> None:
    for node in graph.nodes:
        if node.op != "get_attr" or _has(model, node.target):
            continue
        name = node.target.replace(".", "_")
        model.register_buffer(name, attribute_of(captured, node.target).detach().clone(), persistent=False)
        node.target = name


def _has(model: nn.Module, target: str) -> bool:
    try:
        attribute_of(model, target)
    except AttributeError:
        return False
    return True


def _calls(model: nn.Module, graph: fx.Graph, leaf: Leaf) -> list[tuple[str, list[fx.Node]]]:
    """Return for each call of a leaf module its target and the nodes that were its code."""
    groups: dict[str, tuple[str, list[fx.Node]]] = {}
    for node in graph.nodes:
        stack = node.meta.get("nn_module_stack")
        if node.op != "call_function" or not stack or not isinstance(node.meta.get("val"), Tensor):
            continue
        # A module that is called twice has two keys for one path: `conv` and `conv@1`.
        key, (path, _) = list(stack.items())[-1]
        if path and leaf(model.get_submodule(path)):
            groups.setdefault(key, (path, []))[1].append(node)
    return list(groups.values())


def _inputs(nodes: Sequence[fx.Node]) -> list[fx.Node]:
    """Return the activations that `nodes` read and do not make."""
    inside = set(nodes)
    read = dict.fromkeys(source for node in nodes for source in node.all_input_nodes)
    return [n for n in read if n not in inside and n.op != "get_attr" and isinstance(n.meta.get("val"), Tensor)]


def _write(nodes: list[fx.Node]) -> bool:
    """Tell whether one of `nodes` writes to what they read."""
    inputs = _inputs(nodes)
    return any(_writes(node) and node.args[0] in inputs for node in nodes)


def _writes(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _put_back(graph: fx.Graph, path: str, nodes: list[fx.Node]) -> None:
    """Replace `nodes` by a call of the module they came from, where one tensor goes in and one comes out."""
    inputs, outputs = _inputs(nodes), [node for node in nodes if any(user not in nodes for user in node.users)]
    if len(inputs) != 1 or len(outputs) != 1:
        return
    (result,) = outputs
    with graph.inserting_after(result):
        call = graph.call_module(path, (inputs[0],))
    stack = list(result.meta["nn_module_stack"].items())[:-1]
    call.meta = {"val": result.meta["val"], "nn_module_stack": dict(stack)}
    result.replace_all_uses_with(call)
    for node in reversed(nodes):
        if not node.users:
            graph.erase_node(node)


def _erase_unused(graph: fx.Graph) -> None:
    """Erase what nothing reads, but for writes: what they write to is read."""
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op in {"get_attr", "call_function"} and not _writes(node):
            graph.erase_node(node)
