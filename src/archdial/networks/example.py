"""What a network takes: one tensor, or a tree of them, each with the batch as its first dimension."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from archdial.common.errors import UsageError

Shapes = Sequence[int] | Mapping[str, Sequence[int]]
"""Of the one input, or by the names of those that have another than an example's; without the batch."""

Inputs = Tensor | Sequence["Inputs"] | Mapping[str, "Inputs"]


def example_of(shape: Sequence[int]) -> Tensor:
    """Return zeros (1, *shape), which take no memory: an input of a network that takes one tensor."""
    return torch.zeros(()).expand(1, *shape)


def flat(inputs: Inputs) -> list[Tensor]:
    """Return all tensors in `inputs`, in the order of the tree."""
    return [leaf for leaf in pytree.tree_leaves(inputs) if isinstance(leaf, Tensor)]


def shapes_of(inputs: Inputs) -> list[tuple[int, ...]]:
    """Return the shapes of all tensors in `inputs`, without the batch, in the order of the tree."""
    return [tuple(tensor.shape[1:]) for tensor in flat(inputs)]


def shape_of(inputs: Inputs) -> tuple[int, ...]:
    """Return the shape of the one tensor in `inputs`, without the batch.

    Raises:
        UsageError: there are several.
    """
    shapes = shapes_of(inputs)
    if len(shapes) != 1:
        raise UsageError(f"inputs of {len(shapes)} tensors: this is only supported for networks with one input")
    return shapes[0]
