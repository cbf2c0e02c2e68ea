"""Cell networks searched from scratch: normal and reduction cells as in DARTS (Liu et al. 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, cast

import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Size
from archdial.common.validation import check_fields
from archdial.networks.cells.edges import Edge, EdgeNetwork, Taken, classifier, part, taken_options
from archdial.networks.cells.from_scratch import FromScratch
from archdial.networks.cells.operations import FactorizedReduction, check_modules, check_operations
from archdial.networks.cells.sharing import Split, split
from archdial.networks.layout import lay_out
from archdial.networks.supernet import Part
from archdial.space import Choice, Space

NORMAL, REDUCTION = "normal", "reduction"


@dataclass(frozen=True)
class CellPlan:
    """What a cell network is made of.

    Attributes:
        in_channels: channels of an image.
        classes: number of classes.
        cells: number of cells; those at 1/3 and 2/3 of the depth reduce.
        nodes: intermediate nodes of a cell.
        operations: names of the options of every choice.
        channels: channels of a node in the first cell; each reduction doubles them.
        image_size: (height, width) of an image, in pixels.
        stem_stride: 2 halves the image before the first cell, which costs a quarter of the time throughout.
    """

    in_channels: Size
    classes: Size
    cells: Size = 3
    nodes: Size = 4
    operations: tuple[Name, ...] = ("max_pool_3x3", "identity", "sep_conv_3x3")
    channels: Size = 16
    image_size: tuple[Size, Size] = (28, 28)
    stem_stride: int = 1

    def __post_init__(self) -> None:
        check_fields(self)
        check_operations(self.operations)
        if self.stem_stride not in (1, 2):
            raise UsageError(f"stem_stride = {self.stem_stride}: expected 1 or 2")
        if self.channels < 2:
            raise UsageError(f"channels = {self.channels}: expected at least 2, a reduction splits them in halves")
        edges = self.nodes * (self.nodes + 3) // 2
        check_modules(self.cells * edges * len(self.operations), f"cells = {self.cells}, nodes = {self.nodes}")

    def reduces(self, cell: int) -> bool:
        """Tell whether cell number `cell` is a reduction cell."""
        return cell in {self.cells // 3, 2 * self.cells // 3} and cell > 0

    @property
    def edges(self) -> list[tuple[int, int]]:
        """(node, source) of each edge of a cell; sources 0 and 1 are the two cells before, nodes count from 2."""
        return [(node, source) for node in range(2, 2 + self.nodes) for source in range(node)]

    def space(self) -> Space:
        """Return the choices: one an edge, shared by all normal cells, and another shared by all reduction cells."""
        kinds = [NORMAL] * any(not self.reduces(cell) for cell in range(self.cells))
        kinds += [REDUCTION] * any(self.reduces(cell) for cell in range(self.cells))
        names = [f"{kind}/{node}<-{source}" for kind in kinds for node, source in self.edges]
        return Space(tuple(Choice(name, self.operations, self.operations) for name in names))

    def network(self) -> CellNetwork:
        """Return a network by this plan, with new weights."""
        return CellNetwork(self)


@dataclass(frozen=True)
class CellSettings(FromScratch):
    """Cells, without what the data decide: image size, image channels, classes; see `CellPlan`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["cells"] = "cells"
    cells: Size = 3
    nodes: Size = 4
    operations: tuple[Name, ...] = ("max_pool_3x3", "identity", "sep_conv_3x3")
    channels: Size = 16
    stem_stride: Literal[1, 2] = 1

    def plan(self, input_shape: tuple[int, int, int], classes: int) -> CellPlan:
        """Return the plan for images of `input_shape` (channels, height, width)."""
        in_channels, height, width = input_shape
        return CellPlan(
            in_channels,
            classes,
            self.cells,
            self.nodes,
            self.operations,
            self.channels,
            (height, width),
            self.stem_stride,
        )


class Cell(nn.Module):
    """A cell: two input nodes, intermediate nodes that sum their edges, the concatenation of these as output."""

    def __init__(self, plan: CellPlan, channels_in: tuple[int, int], channels: int, reduces: bool, late: bool) -> None:
        super().__init__()
        self.nodes, self.stride = plan.nodes, 2 if reduces else 1
        # `late`: the cell just before halved the image, so the older input must be halved too.
        self.older = (
            FactorizedReduction(channels_in[0], channels, affine=True) if late else _match(channels_in[0], channels)
        )
        self.newer = _match(channels_in[1], channels)
        self.edges = nn.ModuleList(
            Edge(plan.operations, channels, self.stride if source < 2 else 1) for _, source in plan.edges
        )

    def forward(self, older: Tensor, newer: Tensor, taken: Taken) -> Tensor:
        """Map the outputs of the two cells before to (n, nodes · channels, h, w)."""
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
        return torch.zeros_like(states[0][:, :, :: self.stride, :: self.stride]) if total is None else total


class Joints(nn.Module):
    """What joins the edges of a cell, whatever they compute: the sums at its nodes, and their concatenation."""

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.nodes = nodes

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, nodes · c, h, w), with as many additions as a cell whose edges all contribute."""
        outputs = []
        for node in range(2, 2 + self.nodes):
            total = inputs
            for _ in range(node - 1):
                total = total + inputs
            outputs.append(total)
        return torch.cat(outputs, dim=1)


def _match(channels_in: int, channels: int) -> nn.Module:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(channels_in, channels, 1, bias=False), nn.BatchNorm2d(channels))


def _stem(plan: CellPlan) -> nn.Module:
    if plan.stem_stride == 1:
        first = nn.Conv2d(plan.in_channels, plan.channels, 3, padding=1, bias=False)
        return nn.Sequential(first, nn.BatchNorm2d(plan.channels))
    half = plan.channels // 2
    # All pixels are looked at before any is skipped.
    return nn.Sequential(
        nn.Conv2d(plan.in_channels, half, 3, padding=1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        nn.Conv2d(half, plan.channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(plan.channels),
    )


@dataclass(frozen=True)
class _Place:
    """Where a cell stands: what comes in and what size it works on."""

    reduces: bool
    late: bool
    channels: int
    channels_in: tuple[int, int]
    size_in: tuple[tuple[int, int], tuple[int, int]]

    @property
    def size_out(self) -> tuple[int, int]:
        """(height, width) of the cell's nodes."""
        return _halved(self.size_in[1]) if self.reduces else self.size_in[1]


def _places(plan: CellPlan) -> Iterator[_Place]:
    channels, channels_in = plan.channels, (plan.channels, plan.channels)
    size = plan.image_size if plan.stem_stride == 1 else _halved(plan.image_size)
    sizes = (size, size)
    late = False
    for cell in range(plan.cells):
        reduces = plan.reduces(cell)
        channels *= 2 if reduces else 1
        yield _Place(reduces, late, channels, channels_in, sizes)
        channels_in = (channels_in[1], plan.nodes * channels)
        sizes = (sizes[1], _halved(sizes[1]) if reduces else sizes[1])
        late = reduces


def _halved(size: tuple[int, int]) -> tuple[int, int]:
    return math.ceil(size[0] / 2), math.ceil(size[1] / 2)


class CellNetwork(EdgeNetwork):
    """Stem, cells, head. All normal cells share one set of choices, all reduction cells another."""

    kind = "cells"
    plan_type = CellPlan
    settings_type = CellSettings
    plan: CellPlan

    def __init__(self, plan: CellPlan) -> None:
        super().__init__(plan)
        self._places = list(_places(plan))
        self.stem = _stem(plan)
        self.cells = nn.ModuleList(Cell(plan, p.channels_in, p.channels, p.reduces, p.late) for p in self._places)
        width = plan.nodes * self._places[-1].channels
        # Nodes sum their inputs, so the scale of the last cell's output depends on the path: normalise it.
        self.head = classifier(width, plan.classes)
        self.order = lay_out(self)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, c, h, w) under option weights (m, k)."""
        taken = taken_options(weights)
        # A single input channel has no layout of its own: without this the whole network would run in the slower one.
        older = newer = self.stem(inputs).contiguous(memory_format=self.order)
        for place, cell in zip(self._places, self.cells, strict=True):
            older, newer = newer, cell(older, newer, taken[self._rows(place)])
        return cast(Tensor, self.head(newer))

    def _rows(self, place: _Place) -> slice:
        edges = len(self.plan.edges)
        first = edges if place.reduces and len(self.space.choices) > edges else 0
        return slice(first, first + edges)

    def _split_option(self, row: int, option: str) -> Iterator[Split]:
        for place, cell in zip(self._places, self.cells, strict=True):
            rows = self._rows(place)
            if not rows.start <= row < rows.stop:
                continue
            module = cast(Edge, cast(Cell, cell).edges[row - rows.start]).working(option)
            if module is None:
                continue
            source = self.plan.edges[row - rows.start][1]
            stride, size = (2 if place.reduces and source < 2 else 1), place.size_in[1]
            size = place.size_out if source >= 2 else size
            yield split(option, module, (place.channels, *size), stride)

    def _fixed_parts(self) -> Iterator[Part]:
        yield part("stem", self.stem, self.plan.in_channels, self.plan.image_size)
        for place, cell in zip(self._places, self.cells, strict=True):
            kinds = ("halve" if place.late else "match", "match")
            modules = (cast(nn.Module, cell.older), cast(nn.Module, cell.newer))
            for kind, module, channels, size in zip(kinds, modules, place.channels_in, place.size_in, strict=True):
                yield part(f"{kind}/to{place.channels}", module, channels, size)
            yield part("joints", Joints(self.plan.nodes), place.channels, place.size_out)
        last = self._places[-1]
        yield part("head", self.head, self.plan.nodes * last.channels, last.size_out)

    def scaled(self, share: float) -> CellNetwork:
        """Return a network over the same space with `share` of the channels, even and at least 2, and new weights."""
        return CellNetwork(replace(self.plan, channels=max(2, 2 * round(share * self.plan.channels / 2))))


def cells(
    in_channels: int,
    classes: int,
    cells: int = 3,
    nodes: int = 4,
    operations: Sequence[str] = ("max_pool_3x3", "identity", "sep_conv_3x3"),
    channels: int = 16,
    image_size: int | tuple[int, int] = 28,
    stem_stride: int = 1,
) -> CellNetwork:
    """Return a network of searchable cells; see `CellPlan` for the arguments.

    Raises:
        UsageError: an operation is unknown, or a size is below 1.
    """
    height, width = (image_size, image_size) if isinstance(image_size, int) else image_size
    plan = CellPlan(in_channels, classes, cells, nodes, tuple(operations), channels, (height, width), stem_stride)
    return plan.network()
