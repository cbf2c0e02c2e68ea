"""Heads after the last cell: classes or numbers for the whole input, or for each position."""

from __future__ import annotations

import math

from torch import nn

from archdial.common.errors import UsageError
from archdial.networks.cells.layers import LAYERS

_MOST = 2**24
"""Numbers that one input may give."""


def check_outputs(classes: int | None, outputs: tuple[int, ...] | None, places: int, dense: bool) -> None:
    """Raise UsageError unless either classes or outputs are told, and the rest goes with them."""
    if (classes is None) == (outputs is None):
        said = "neither" if classes is None else f"{classes} and {outputs}"
        raise UsageError(f"classes and outputs are {said}: pass classes=…, for logits, or outputs=…, for numbers")
    if outputs is not None and math.prod(outputs) > _MOST:
        raise UsageError(f"outputs = {outputs}: expected at most {_MOST:,} numbers")
    if dense and (places > 1 or (outputs is not None and len(outputs) > 1)):
        raise UsageError("dense outputs give one number per position: omit places, and set outputs to 1")


def head(channels: int, size: tuple[int, ...], outputs: tuple[int, ...], places: int = 1) -> nn.Sequential:
    """Return the head: (n, channels, *size) to (n, *outputs).

    Args:
        places: into how many at most the features are averaged, along each side; 1 forgets where a feature was, and
            takes inputs of any size.
    """
    layers = LAYERS[len(size)]
    kernel = tuple(-(-side // places) for side in size)
    features = channels * math.prod(-(-side // length) for side, length in zip(size, kernel, strict=True))
    pool = layers.mean(1) if places == 1 else layers.avg_pool(kernel, kernel, ceil_mode=True, count_include_pad=False)  # type: ignore[arg-type]
    last = (nn.Flatten(), nn.Linear(features if places > 1 else channels, math.prod(outputs)))
    shape = (nn.Unflatten(1, outputs),) if len(outputs) > 1 else ()
    return nn.Sequential(layers.norm(channels), nn.ReLU(), pool, *last, *shape)


def dense_head(channels: int, size: tuple[int, ...], outputs: int) -> nn.Sequential:
    """Return the head: (n, channels, …) to (n, outputs, *size), for each place of the input."""
    layers = LAYERS[len(size)]
    scale = nn.Upsample(size, mode=layers.interpolation, align_corners=False)
    return nn.Sequential(layers.norm(channels), nn.ReLU(), layers.convolution(channels, outputs, 1), scale)
