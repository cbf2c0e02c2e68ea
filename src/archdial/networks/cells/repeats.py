"""Repeated work on the same tensor: which modules duplicate each other, and a graph without duplicates."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx, nn
from torch.nn import functional

_ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.Hardswish, nn.SiLU, nn.GELU)
STATELESS = (*_ACTIVATIONS, nn.MaxPool2d, nn.AvgPool2d, nn.MaxPool1d, nn.AvgPool1d)
"""Without parameters, state or chance: what they return follows from what they are given and told."""

_FUNCTIONS = (operator.getitem, functional.pad)


def told(module: nn.Module) -> tuple[Any, ...] | None:
    """Return what decides the output of `module` beside its input, equal for modules that repeat each other.

    None where it may not be shared: it has weights, draws numbers, changes its input, or is of a class not known here.
    """
    if type(module) not in STATELESS or getattr(module, "inplace", False):
        return None
    settings = {name: value for name, value in vars(module).items() if name[0] != "_" and name != "training"}
    return type(module).__name__, *sorted((name, str(value)) for name, value in settings.items())


def merge_repeats(root: nn.Module, graph: fx.Graph) -> None:
    """Let each node of `graph`, of modules of `root`, that does what an earlier one did take its result instead."""
    first: dict[Any, fx.Node] = {}
    for node in list(graph.nodes):
        key = _key(root, node)
        if key is None:
            continue
        if key in first:
            node.replace_all_uses_with(first[key])
            graph.erase_node(node)
        else:
            first[key] = node


def _key(root: nn.Module, node: fx.Node) -> Any:
    given = str(node.args), str(sorted(node.kwargs.items()))
    if node.op == "call_function" and node.target in _FUNCTIONS:
        return node.target, given
    if node.op == "call_module":
        settings = told(root.get_submodule(str(node.target)))
        return None if settings is None else (settings, given)
    return None
