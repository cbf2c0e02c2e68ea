"""Batches as trees of tensors: their number of examples, and the first of them."""

from __future__ import annotations

import copy
from collections import UserDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from archdial.common.errors import UsageError
from archdial.data.split import Batch


def size_of(batch: Batch) -> int:
    """Return the number of examples in `batch`: the length of its first tensor, of those that stand side by side.

    Raises:
        UsageError: there is no tensor in it.
    """
    parts = batch.values() if isinstance(batch, Mapping) else batch if isinstance(batch, tuple | list) else ()
    # What is asked for may come first, and be boxes of each example: these are as many as the first one's objects.
    beside = [part for part in parts if isinstance(part, Tensor)]
    for leaf in (*beside, *leaves(batch)):
        if isinstance(leaf, Tensor) and leaf.dim():
            return len(leaf)
    raise UsageError(
        f"a batch of type {type(batch).__name__} without tensors: expected a tensor, or a tuple or dict of "
        "tensors; have the DataLoader's collate_fn create them"
    )


def taken(batch: Batch, count: int) -> Batch:
    """Return the first `count` examples of `batch`."""
    size = size_of(batch)

    def cut(leaf: Any) -> Any:
        sized = isinstance(leaf, Tensor) and leaf.dim() > 0 and len(leaf) == size
        return leaf[:count] if sized else leaf

    # Lists of texts or boxes, one an example, are no leaves of a tree.
    def of_part(part: Any) -> Any:
        return part[:count] if _listed(part, size) else mapped(cut, part)

    if isinstance(batch, tuple | list) and not hasattr(batch, "_fields"):
        return type(batch)(map(of_part, batch))
    if isinstance(batch, dict):
        return {name: of_part(part) for name, part in batch.items()}
    if isinstance(batch, Mapping) and pytree.tree_is_leaf(batch):
        return _like(batch, taken(dict(batch), count))
    return mapped(cut, batch)


def bytes_of(value: Any) -> int:
    """Return the bytes of all tensors in `value`."""
    return sum(leaf.nbytes for leaf in leaves(value) if isinstance(leaf, Tensor))


def moved(value: Any, device: torch.device) -> Any:
    """Return `value` with all its tensors on `device`."""
    return mapped(lambda leaf: leaf.to(device, non_blocking=True) if isinstance(leaf, Tensor) else leaf, value)


def leaves(value: Any) -> Iterator[Any]:
    """Yield what `value` holds, in order; of any mapping what is in it, though torch only knows some kinds."""
    for leaf in pytree.tree_leaves(value):
        if isinstance(leaf, Mapping):
            yield from leaves(dict(leaf))
        else:
            yield leaf


def mapped(change: Callable[[Any], Any], value: Any) -> Any:
    """Return `value` with `change` made to each of its leaves, as `leaves` finds them."""

    def changed(leaf: Any) -> Any:
        return _like(leaf, mapped(change, dict(leaf))) if isinstance(leaf, Mapping) else change(leaf)

    return pytree.tree_map(changed, value)


def _like(mapping: Mapping[Any, Any], parts: dict[Any, Any]) -> Any:
    """Return `parts` as a mapping like `mapping`: what collates texts may give one with attributes of its own."""
    # Of any other kind, nobody knows whether a copy shares what it holds.
    if not isinstance(mapping, dict | UserDict):
        return parts
    made = copy.copy(mapping)
    made.update(parts)
    return made


def _listed(part: Any, size: int) -> bool:
    return (
        isinstance(part, list) and len(part) == size and not any(isinstance(one, Tensor) and one.dim() for one in part)
    )
