"""Which parts of a batch are a network's inputs, and which are the target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from archdial.common.errors import UsageError, cut
from archdial.data.split import Batch

TARGETS = ("labels", "label", "target", "targets", "y")
"""Names under which batches by name hold what is asked for."""

LOSS = "loss"
"""Name of the output of a network that returns its own loss."""


def seen(batch: Batch) -> Any:
    """Return what the network sees: all but the target; what it does not take of a mapping, it passes over."""
    if isinstance(batch, Mapping):
        return {name: value for name, value in batch.items() if name not in TARGETS}
    if isinstance(batch, tuple | list) and len(batch) > 1:
        return batch[0] if len(batch) == 2 else tuple(batch[:-1])
    return batch[0] if isinstance(batch, tuple | list) else batch


def asked(batch: Batch) -> Any:
    """Return what is asked for.

    Raises:
        UsageError: the batch holds none.
    """
    if isinstance(batch, Mapping):
        for name in TARGETS:
            if name in batch:
                return batch[name]
        raise UsageError(
            f"a batch of {cut(', '.join(map(str, batch)))}: expected a target under one of {', '.join(TARGETS)}"
        )
    if isinstance(batch, tuple | list) and len(batch) > 1:
        return batch[-1]
    raise UsageError(
        f"a batch of type {type(batch).__name__} without a target: expected (inputs, target), or a mapping with labels"
    )


def asked_tensor(batch: Batch) -> Tensor:
    """Return what is asked for, as a tensor.

    Raises:
        UsageError: it is none.
    """
    found = asked(batch)
    if not isinstance(found, Tensor):
        raise UsageError(f"a target of type {type(found).__name__}: expected a tensor; have collate_fn create one")
    return found
