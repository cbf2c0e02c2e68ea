"""Sequence lengths: which inputs have one, and the same inputs at another length or shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archdial.common.errors import UsageError


def has_lengths(one: Sequence[Tensor]) -> bool:
    """Tell whether an input has a dimension beside the batch that other calls may have longer or shorter.

    Images (n, c, h, w) run at other sizes without that, as far as their networks do.
    """
    return any(tensor.dim() > 1 for tensor in one) and not (len(one) == 1 and one[0].dim() == 4)


def shorter(one: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return the inputs with each length that several of them share, or that a lone one has last, cut by one."""
    length = _length(one)
    return tuple(_cut(tensor, length) for tensor in one)


def _length(one: Sequence[Tensor]) -> int:
    first = next(tensor for tensor in one if tensor.dim() > 1)
    return first.shape[1] if not first.is_floating_point() or len(one) > 1 else first.shape[-1]


def _cut(tensor: Tensor, length: int) -> Tensor:
    for dimension in range(1, tensor.dim()):
        if tensor.shape[dimension] == length > 2:
            tensor = tensor.narrow(dimension, 0, length - 1)
    return tensor


def resized(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    """Return `tensor` (1, …) at `shape`, without the batch: cut, or what it holds over again.

    Raises:
        UsageError: it has another number of dimensions.
    """
    if len(shape) != tensor.dim() - 1 or not all(isinstance(side, int) and side > 0 for side in shape):
        raise UsageError(
            f"shape {tuple(shape)} for an input {tuple(tensor.shape[1:])}: expected as many sizes, above 0"
        )
    for dimension, side in enumerate(shape, 1):
        places = torch.arange(side) % tensor.shape[dimension]
        tensor = tensor.index_select(dimension, places)
    return tensor
