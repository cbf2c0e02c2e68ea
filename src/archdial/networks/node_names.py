"""What a node of a captured graph calls."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import fx, nn


def function_name(node: fx.Node) -> str:
    """Return the bare name of the function or method that a node calls, as `relu` or `add`."""
    target: Any = node.target
    if isinstance(target, torch._ops.OpOverload):
        return str(target._schema.name.split("::")[1])
    return str(target) if isinstance(target, str) else str(getattr(target, "__name__", target))


def is_addition(node: fx.Node) -> bool:
    """Tell whether `node` is the plain sum of two tensors."""
    if node.op not in {"call_function", "call_method"} or node.kwargs.get("alpha", 1) != 1:
        return False
    named = node.target is operator.add or function_name(node) == "add"
    return named and len(node.args) == 2 and all(isinstance(argument, fx.Node) for argument in node.args)


def module_of(root: nn.Module, node: fx.Node) -> nn.Module | None:
    """Return the module that `node` calls, or None where it calls none."""
    return root.get_submodule(str(node.target)) if node.op == "call_module" else None
