"""Inspecting a network in eval mode, without side effects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_eval_mode(network: nn.Module) -> Iterator[None]:
    """Within, `network` and all in it are in eval mode; then, or where the block fails, in the mode of `network`."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)
