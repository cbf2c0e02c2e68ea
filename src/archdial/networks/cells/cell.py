"""One cell of a network and its position: what comes in, and the size it works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from archdial.networks.cells.edges import Edge, Taken
from archdial.networks.cells.layers import LAYERS, every, halved
from archdial.networks.cells.operations import FactorizedReduction


@dataclass(frozen=True)
class Place:
    """Where a cell stands.

    Attributes:
        reduces: it halves what comes in.
        late: the cell just before did, so the older input must be halved too.
        channels: of each node.
        channels_in: of the outputs of the two cells before, the older one first.
        size_in: of these, (height, width) or (length,).
    """

    reduces: bool
    late: bool
    channels: int
    channels_in: tuple[int, int]
    size_in: tuple[tuple[int, ...], tuple[int, ...]]

    @property
    def size_out(self) -> tuple[int, ...]:
        """Of the cell's nodes."""
        return halved(self.size_in[1]) if self.reduces else self.size_in[1]

    @property
    def dimensions(self) -> int:
        """1 of signals, 2 of images."""
        return len(self.size_in[0])


def skeleton(channels: int, size: tuple[int, ...], nodes: int, reducing: Sequence[bool]) -> Iterator[Place]:
    """Yield the place of each cell, one for each of `reducing`; the stem gives `channels` of `size`."""
    channels_in, sizes, late = (channels, channels), (size, size), False
    for reduces in reducing:
        channels *= 2 if reduces else 1
        place = Place(reduces, late, channels, channels_in, sizes)
        yield place
        channels_in, sizes, late = (channels_in[1], nodes * channels), (sizes[1], place.size_out), reduces


def edges_of(nodes: int) -> list[tuple[int, int]]:
    """Return (node, source) of each edge of a cell; sources 0 and 1 are the cells before, nodes count from 2."""
    return [(node, source) for node in range(2, 2 + nodes) for source in range(node)]


class Cell(nn.Module):
    """A cell: two input nodes, intermediate nodes that sum their edges, the concatenation of these as output."""

    def __init__(self, place: Place, nodes: int, operations: Sequence[str]) -> None:
        super().__init__()
        (older, newer), channels, dimensions = place.channels_in, place.channels, place.dimensions
        self.nodes, self.stride, self.dimensions = nodes, 2 if place.reduces else 1, dimensions
        self.older = (
            FactorizedReduction(older, channels, affine=True, dimensions=dimensions)
            if place.late
            else _match(older, channels, dimensions)
        )
        self.newer = _match(newer, channels, dimensions)
        self.edges = nn.ModuleList(
            Edge(operations, channels, self.stride if source < 2 else 1, dimensions) for _, source in edges_of(nodes)
        )

    def forward(self, older: Tensor, newer: Tensor, taken: Taken) -> Tensor:
        """Map the outputs of the two cells before to (n, nodes · channels, h, w), or (n, nodes · channels, length)."""
        states = [self.older(older), self.newer(newer)]
        rows = zip(self.edges, taken, strict=True)
        for node in range(2, 2 + self.nodes):
            states.append(self._node(states, [next(rows) for _ in range(node)]))
        return torch.cat(states[2:], dim=1)

    def _node(self, states: list[Tensor], rows: list[tuple[nn.Module, list[tuple[int, Tensor | None]]]]) -> Tensor:
        outputs = [edge(state, row) for state, (edge, row) in zip(states, rows, strict=True)]
        total: Tensor | None = None
        for output in outputs:
            if output is not None:
                total = output if total is None else total + output
        # A node that nothing feeds still has its place in the concatenation.
        return torch.zeros_like(every(states[0], self.stride, self.dimensions)) if total is None else total


class Joints(nn.Module):
    """What joins the edges of a cell, whatever they compute: the sums at its nodes, and their concatenation."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes = nodes

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, …) to (n, nodes · c, …), with as many additions as a cell whose edges all contribute."""
        outputs = []
        for node in range(2, 2 + self.nodes):
            total = inputs
            for _ in range(node - 1):
                total = total + inputs
            outputs.append(total)
        return torch.cat(outputs, dim=1)


def _match(channels_in: int, channels: int, dimensions: int) -> nn.Module:
    layers = LAYERS[dimensions]
    return nn.Sequential(nn.ReLU(), layers.convolution(channels_in, channels, 1, bias=False), layers.norm(channels))
