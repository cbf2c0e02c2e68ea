"""Capturing a network by torch.fx, where export cannot follow it; what cannot be entered stays whole."""

from __future__ import annotations

import inspect
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import fx, nn

from archdial.common.errors import first_line

Leaf = Callable[[nn.Module], bool]


class Untraceable(Exception):
    """The outermost forward itself cannot be followed."""


def traced(model: nn.Module, leaf: Leaf) -> tuple[fx.Graph, tuple[str, ...]]:
    """Return the graph of `model` and the names of the submodules that stayed opaque.

    Raises:
        Untraceable: the forward of `model` itself depends on values; the message names its line.
    """
    opaque: dict[str, None] = {}
    while True:
        tracer = _Tracer(leaf, tuple(opaque))
        try:
            graph = tracer.trace(model, concrete_args=_defaults(model))
        except Exception as error:
            if not tracer.failed:
                raise Untraceable(f"{line_at_fault(error)}: {first_line(error)}") from error
            opaque[tracer.failed] = None
            continue
        _one_tensor(graph)
        return graph, tuple(opaque)


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


def _defaults(model: nn.Module) -> dict[str, Any]:
    """Return the arguments of forward after the first, at their defaults: a proxy in their place is never None."""
    rest = list(inspect.signature(model.forward).parameters.values())[1:]
    return {p.name: p.default for p in rest if p.default is not inspect.Parameter.empty}


def _one_tensor(graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if node.op == "placeholder" and not node.users and node is not next(iter(graph.nodes)):
            graph.erase_node(node)
    output = next(reversed(graph.nodes))
    result = output.args[0]
    if isinstance(result, dict):
        result = result.get("logits", next(iter(result.values())))
    if isinstance(result, (tuple, list)) and len(result) == 1:
        result = result[0]
    if not isinstance(result, fx.Node):
        raise Untraceable(f"the network returns {type(result).__name__}, expected one tensor or one called logits")
    output.args = (result,)


def line_at_fault(error: BaseException) -> str:
    """Return `file:line, code` of the last frame outside torch, where `error` came from the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = {Path(inspect.getfile(nn)).parents[1], Path(__file__).parent}
    users = [f for f in frames if not any(place in Path(f.filename).parents for place in inside)]
    if not users:
        return "inside torch"
    last = users[-1]
    return f"{last.filename}:{last.lineno}, `{last.line}`"
