"""Calling a plain module with what a task gives it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any


def called(module: Any, inputs: Any, of: Any = None) -> Any:
    """Return what `module` gives for one tensor, several by position, or those of a mapping that it takes by name.

    Args:
        of: whose arguments count, where `module` only wraps it.
    """
    if isinstance(inputs, Mapping):
        names = inspect.signature((of or module).forward).parameters
        return module(**{name: value for name, value in inputs.items() if name in names})
    return module(*inputs) if isinstance(inputs, tuple | list) else module(inputs)
