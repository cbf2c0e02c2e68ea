"""Stems before the first cell: convolutions, more of them for larger strides; tokens are embedded first."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from archdial.networks.cells.layers import LAYERS

STRIDES = tuple(2**halvings for halvings in range(7))
"""How many elements of each dimension may become one."""


class Embedded(nn.Module):
    """Tokens as signals."""

    def __init__(self, tokens: int, features: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, features)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (n, length) to (n, features, length)."""
        return cast(Tensor, self.embedding(tokens)).transpose(1, 2)


def stem(in_channels: int, channels: int, halvings: int, dimensions: int, tokens: int | None = None) -> nn.Sequential:
    """Return the stem: (n, in_channels, …) to (n, channels, …), halved `halvings` times.

    Args:
        tokens: how many there are; the stem then takes them (n, length), and embeds them into `in_channels`.
    """
    layers, half = LAYERS[dimensions], channels // 2
    found: list[nn.Module] = [] if tokens is None else [Embedded(tokens, in_channels)]
    width = half if halvings else channels
    found += [layers.convolution(in_channels, width, 3, padding=1, bias=False), layers.norm(width)]
    # All pixels are looked at before any is skipped.
    for number in range(halvings):
        width = channels if number == halvings - 1 else half
        convolution = layers.convolution(half, width, 3, stride=2, padding=1, bias=False)
        found += [nn.ReLU(), convolution, layers.norm(width)]
    return nn.Sequential(*found)
