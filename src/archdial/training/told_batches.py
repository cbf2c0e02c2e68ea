"""Errors in network or task name the batch they failed on, and its contents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from archdial.common.errors import RunError, UsageError, reason
from archdial.data.split import Batch
from archdial.networks.calling import described
from archdial.tasks.task import tensors_in


@contextmanager
def told_batch(batch: Batch, which: str) -> Iterator[None]:
    """Let errors within tell the batch; memory that runs out, and steps that see no data, are left as they are.

    Raises:
        UsageError: `which`, what is in it, and the reason.
    """
    try:
        yield
    except (RunError, torch.OutOfMemoryError):
        raise
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        if not tensors_in(batch):
            raise
        if isinstance(error, UsageError):
            raise UsageError(f"{which}: {error}") from error
        told = f"{which}, {described(batch)}, fails in network or task: {reason(error)}"
        raise UsageError(told) from error
