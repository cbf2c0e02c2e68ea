"""Capturing a network with torch.fx where export fails; what cannot be traced stays whole."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, fx, nn

from archdial.common.errors import UsageError, first_line
from archdial.networks.calling import Calling
from archdial.networks.graph.capture.caches import left_alone
from archdial.networks.graph.capture.outputs import chosen

Leaf = Callable[[nn.Module], bool]


class Untraceable(Exception):
    """The outermost forward itself cannot be followed."""


def traced(
    model: nn.Module, calling: Calling, outputs: Sequence[str] | None, leaf: Leaf
) -> tuple[fx.Graph, tuple[str, ...]]:
    """Return the graph of `model` and the names of the submodules that stayed opaque.

    Tensors in the code, and plain attributes that are read, become buffers that the state dict of `model` leaves out.

    Raises:
        Untraceable: the forward of `model` itself depends on values; the message names its line.
    """
    opaque: dict[str, None] = {}
    while True:
        tracer = _Tracer(leaf, tuple(opaque))
        try:
            with left_alone(model):
                graph = tracer.trace(model, concrete_args=_settled(model, calling))
        except Exception as error:
            if not tracer.failed:
                raise Untraceable(f"{line_at_fault(error)}: {_told(error)}") from error
            opaque[tracer.failed] = None
            continue
        _keep_chosen(graph, outputs)
        _order_inputs(graph, calling)
        _adopt_constants(model, graph)
        return graph, tuple(opaque)


def _told(error: Exception) -> str:
    """Return what the first line of `error` says; of `len`, which torch advises to wrap, what helps with a tensor."""
    return "len() of a tensor; use .shape[0] instead" if "'len'" in str(error) else first_line(error)


class _Tracer(fx.Tracer):
    """Sees every call of a module in the process while it traces, and leaves those of other threads alone."""

    def __init__(self, leaf: Leaf, opaque: tuple[str, ...]) -> None:
        super().__init__()
        self._thread = threading.get_ident()
        self._leaf, self._opaque = leaf, opaque
        self.failed = ""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        return qualified_name in self._opaque or self._leaf(module)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            # The innermost module is left first.
            self.failed = self.failed or self.path_of_module(m)
            raise


def _settled(model: nn.Module, calling: Calling) -> dict[str, Any]:
    """Return the arguments of forward that are no inputs, at their values: a proxy in their place is never None."""
    own = list(inspect.signature(model.forward).parameters.values())
    given = set(calling.names) if calling.form == "dict" else {one.name for one in own[: len(calling.names)]}
    rest = {one.name: one.default for one in own if one.name not in given and one.default is not one.empty}
    return {**rest, **calling.constants}


def _keep_chosen(graph: fx.Graph, outputs: Sequence[str] | None) -> None:
    output = next(reversed(graph.nodes))
    try:
        output.args = (chosen(output.args[0], outputs),)
    except UsageError as error:
        raise Untraceable(str(error)) from error


def _order_inputs(graph: fx.Graph, calling: Calling) -> None:
    """Let the placeholders be the inputs, in the order of the call."""
    found = {str(node.target): node for node in graph.nodes if node.op == "placeholder"}
    by_place = calling.names if calling.form == "dict" else tuple(found)[: len(calling.names)]
    for name, node in found.items():
        if name not in by_place and not node.users:
            graph.erase_node(node)
    first = next(iter(graph.nodes))
    for name in by_place:
        if found[name] is not first:
            first.prepend(found[name])


def _adopt_constants(model: nn.Module, graph: fx.Graph) -> None:
    for node in graph.nodes:
        path, _, name = str(node.target).rpartition(".")
        if node.op == "get_attr" and isinstance(vars(owner := model.get_submodule(path)).get(name), Tensor):
            value = vars(owner).pop(name)
            owner.register_buffer(name, value.detach(), persistent=False)


def line_at_fault(error: BaseException) -> str:
    """Return `file:line, code` of the last frame outside torch, where `error` came from the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = {Path(inspect.getfile(nn)).parents[1], Path(__file__).parent}
    users = [f for f in frames if not any(place in Path(f.filename).parents for place in inside)]
    if not users:
        return "inside torch"
    last = users[-1]
    return f"{last.filename}:{last.lineno}, `{last.line}`"
