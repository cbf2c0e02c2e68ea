"""torch's layers by number of input dimensions besides batch and channels: one for signals, two for images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional

SIGNALS, IMAGES = 1, 2
"""(n, c, length) and (n, c, height, width); tokens (n, length) are signals once they are embedded."""


@dataclass(frozen=True)
class Layers:
    """What networks of cells are made of.

    Attributes:
        interpolation: how outputs are brought to the size of inputs.
    """

    convolution: type[nn.Conv1d] | type[nn.Conv2d]
    norm: type[nn.BatchNorm1d] | type[nn.BatchNorm2d]
    max_pool: type[nn.MaxPool1d] | type[nn.MaxPool2d]
    avg_pool: type[nn.AvgPool1d] | type[nn.AvgPool2d]
    mean: type[nn.AdaptiveAvgPool1d] | type[nn.AdaptiveAvgPool2d]
    interpolation: str


LAYERS: Mapping[int, Layers] = {
    SIGNALS: Layers(nn.Conv1d, nn.BatchNorm1d, nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d, "linear"),
    IMAGES: Layers(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, "bilinear"),
}


def every(inputs: Tensor, stride: int, dimensions: int) -> Tensor:
    """Return of (n, c, …) each element number 0, stride, 2 · stride, … of each dimension."""
    return inputs[(slice(None), slice(None), *[slice(None, None, stride)] * dimensions)]


def shifted(inputs: Tensor, dimensions: int) -> Tensor:
    """Return (n, c, …) moved by one element towards the beginning of each dimension, with zeros at the far end."""
    # Odd sizes then give two halves of one size. Cut off rather than padded by -1, which not every runtime can.
    moved = inputs[(slice(None), slice(None), *[slice(1, None)] * dimensions)]
    return functional.pad(moved, (0, 1) * dimensions)


def halved(size: tuple[int, ...], times: int = 1) -> tuple[int, ...]:
    """Return what strides of two leave of `size`, rounded up."""
    return tuple(-(-side // 2**times) for side in size)
