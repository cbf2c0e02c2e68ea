"""Calling a plain module with what a task gives it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn


def taken_by(module: Any, inputs: Any) -> Any:
    """Return `inputs`, of a mapping what `module` takes by name."""
    if not isinstance(inputs, Mapping):
        return inputs
    names = inspect.signature(module.forward).parameters
    if any(one.kind is one.VAR_KEYWORD for one in names.values()):
        # What wraps a module, as fabric does, takes whatever that one takes.
        within = getattr(module, "module", None)
        return taken_by(within, inputs) if isinstance(within, nn.Module) else inputs
    return {name: value for name, value in inputs.items() if name in names}


def called(module: Any, inputs: Any, of: Any = None) -> Any:
    """Return what `module` gives for one tensor, several by position, or those of a mapping that it takes by name.

    Args:
        of: whose arguments count, where `module` only wraps it.
    """
    if isinstance(inputs, Mapping):
        return module(**taken_by(of or module, inputs))
    return module(*inputs) if isinstance(inputs, tuple | list) else module(inputs)
