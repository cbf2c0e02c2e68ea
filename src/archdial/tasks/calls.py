"""Calling a plain module with the inputs that a task extracts."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import nn


def called(module: Any, inputs: Any) -> Any:
    """Return what `module` gives for one tensor, several by position, or those of a mapping that it takes by name."""
    if isinstance(inputs, Mapping):
        return module(**taken_by(module, inputs))
    return module(*inputs) if isinstance(inputs, tuple | list) else module(inputs)


def taken_by(module: Any, inputs: Any) -> Any:
    """Return `inputs`, of a mapping what `module`, or what it wraps, takes by name."""
    if not isinstance(inputs, Mapping):
        return inputs
    parameters = inspect.signature(module.forward).parameters.values()
    names = {one.name for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)}
    wrapped = getattr(module, "module", None)
    # As fabric and DataParallel wrap a network: whatever comes is handed on.
    if not names and isinstance(wrapped, nn.Module):
        return taken_by(wrapped, inputs)
    return {name: value for name, value in inputs.items() if name in names} if names else inputs
