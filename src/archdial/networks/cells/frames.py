"""All widths of a network of cells: for each, a frame without memory that defines how tensors are sliced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn

from archdial.networks.cells.operations import FactorizedReduction
from archdial.networks.cells.slicing import Alone, Blocks, Masked, Narrow, mixing


class Ordered(Protocol):
    """A network that has its images in memory in some order."""

    order: torch.memory_format


Network = TypeVar("Network", bound=Ordered)


class Frames(Generic[Network]):
    """Gives a network at each of its widths; they are made of its tensors when they are asked for, and hold no others.

    Args:
        own: the network.
        frames: networks of the same modules on the meta device, one for each width.
        blocks: into how many blocks of channels the tensors of the module called so fall.
    """

    def __init__(self, own: Network, frames: Sequence[Network], blocks: Callable[[str], Blocks]) -> None:
        orders = [(own.order, frame.order) for frame in frames]
        self._frames, self._blocks = frames, blocks
        self._narrow = [Narrow(blocks, both) for both in orders]
        self._alone = [Alone(blocks, both) for both in orders]
        self._mixing = mixing(cast(nn.Module, own), cast(Sequence[nn.Module], frames))

    def narrow(self, own: Network, number: int) -> Network:
        """Return the network at width `number`, to be trained on the tensors of all of it."""
        return self._dressed(self._narrow[number], own, self._frames[number])

    def alone(self, own: Network, number: int) -> Network:
        """Return the network at width `number` without the others; its memory may be that of `own`."""
        return self._dressed(self._alone[number], own, self._frames[number])

    def masked(self, own: Network, weights: Tensor) -> Network:
        """Return the whole network with the channels of each width as loud as `weights` (k,) of the widths say."""
        return self._dressed(Masked(self._blocks, self._mixing, weights), own, own)

    def _dressed(self, dressing: Any, own: Network, frame: Network) -> Network:
        return cast(Network, dressing.dress(own, frame))


def mix_halves(network: nn.Module, channels: int, kept: Sequence[int]) -> None:
    """Let the first channels of each factorised reduction be of both its halves, at any width.

    Args:
        channels: of the first cell of `network`.
        kept: what the widths make of them.
    """
    narrower = sorted(fewer for fewer in kept if fewer < channels)
    for module in network.modules():
        if isinstance(module, FactorizedReduction):
            times = module.norm.num_features // channels
            module.ends = tuple(fewer * times // 2 for fewer in narrower)
