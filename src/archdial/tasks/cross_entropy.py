"""Cross-entropy of class indices, with an error message for labels that do not fit the network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError

IGNORED = -100
"""The label of what is not asked for, as everywhere."""


def cross_entropy(found: Tensor, labels: Tensor, *, ignore_index: int = IGNORED, **options: Any) -> Tensor:
    """Return the cross-entropy of logits (n, classes, …) for labels (n, …), as torch has it; `options` are its own.

    Raises:
        UsageError: a label is none of the classes.
    """
    try:
        return functional.cross_entropy(found, labels, ignore_index=ignore_index, **options)
    except IndexError:
        asked = labels[labels != ignore_index]
        raise UsageError(
            f"labels from {int(asked.min())} to {int(asked.max())} for a network with {found.shape[1]} classes"
            f": expected 0 to {found.shape[1] - 1}, or {ignore_index} to ignore"
        ) from None


def indices(labels: Tensor) -> Tensor:
    """Return class indices of any whole type, booleans too, as cross-entropy takes them."""
    return labels if labels.is_floating_point() or labels.is_complex() else labels.to(torch.long)
