"""BatchNorm statistics: recomputed for one path, read and restored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

T = TypeVar("T")
Statistics = dict[str, Tensor]
"""Buffers of BatchNorm layers, by name."""


@torch.no_grad()
def recalibrate(network: nn.Module, forward: Callable[[T], object], batches: Iterable[T]) -> None:
    """Replace the statistics of all BatchNorm layers of `network` by means over `batches`; leave it in eval mode.

    Weights that were trained under many paths carry the statistics of none (Yu and Huang 2019, slimmable networks).
    All else is in eval mode meanwhile, as it will be where the statistics are used: dropout draws no numbers.
    """
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    network.eval()
    with _cumulative(norms):
        for batch in batches if norms else ():
            forward(batch)


@contextmanager
def _cumulative(norms: list[_BatchNorm]) -> Iterator[None]:
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.eval()


def has_statistics(network: nn.Module) -> bool:
    """Tell whether any BatchNorm of `network` keeps statistics."""
    return any(isinstance(module, _BatchNorm) and module.track_running_stats for module in network.modules())


def statistics_of(network: nn.Module) -> Statistics:
    """Return copies of the BatchNorm statistics of `network`."""
    return {
        f"{path}.{name}": buffer.clone()
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for name, buffer in module.named_buffers(recurse=False)
    }


def restore(network: nn.Module, statistics: Statistics) -> None:
    """Put `statistics` back into `network`; leave it in eval mode."""
    own = dict(network.named_buffers())
    for name, buffer in statistics.items():
        own[name].copy_(buffer)
    network.eval()
