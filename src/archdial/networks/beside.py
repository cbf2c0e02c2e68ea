"""Tensors that modules hold in lists, dicts and attributes, including those that cannot be copied."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

GONE = object()
"""What takes the place of something that is to be left out of what holds it."""


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a tree of lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for one in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(one)


def rebuilt(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """Return a copy of a tree of lists, tuples and dicts with `change` applied to each tensor; GONE removes it."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (dict, OrderedDict, defaultdict):
        made = value.copy()
        made.clear()
        made.update({key: one for key, old in value.items() if (one := rebuilt(old, change)) is not GONE})
        return made
    if type(value) in (list, tuple):
        return type(value)(one for old in value if (one := rebuilt(old, change)) is not GONE)
    return value


def with_history(root: nn.Module) -> dict[int, Any]:
    """Return a memo for `copy.deepcopy` with copies of the tensors in `root` that were computed, which it refuses."""
    found = (tensor for module in root.modules() for tensor in tensors_in(list(vars(module).values())))
    return {id(tensor): tensor.detach().clone() for tensor in found if not tensor.is_leaf}
