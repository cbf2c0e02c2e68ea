"""The 256 numbers that eight bits tell apart: a scale and a zero point from a range."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 255
"""Of an activation, unsigned: 0 to 255."""
MOST = 127
"""Of a weight: signed and symmetric, -127 to 127, so that 0 is exact and a channel needs no zero point."""

NOTHING = 1e-20
"""Of a range not wider than this the numbers are taken for zeros: the inverse of a smaller scale is no number."""


@dataclass(frozen=True)
class Grid:
    """An affine grid for activations: `scale` · (number - `zero`) for numbers from 0 to 255."""

    scale: float
    zero: int


def scale_and_zero(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Return scale and zero point, scalars, of the grid that covers `low` to `high`; 0 is always on it.

    Jacob et al. (2018), equation 1: a real 0, as of padding and ReLU, must be exact.
    """
    low, high = low.clamp(max=0), high.clamp(min=0)
    scale = _of_width(high - low) / STEPS
    return scale, (-low / scale).round().clamp(0, STEPS).to(torch.int32)


def weight_scales(weight: Tensor) -> Tensor:
    """Return a scale (n,) for each output channel of `weight` (n, …)."""
    largest = weight.detach().abs().flatten(1).amax(1)
    return _of_width(largest) / MOST


def _of_width(width: Tensor) -> Tensor:
    """Return `width`; 1 where that is none, as of what is all zeros any scale will do that runtimes can work with."""
    return torch.where(width > NOTHING, width, torch.ones_like(width))
