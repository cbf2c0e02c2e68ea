"""The cells and the skeleton of NAS-Bench-201 (Dong and Yang 2020), whose true accuracies are tabulated."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Size
from archdial.common.validation import check_fields
from archdial.networks.cells.edges import Edge, EdgeNetwork, Taken, part
from archdial.networks.cells.from_scratch import Described, FromScratch, classified
from archdial.networks.cells.heads import head
from archdial.networks.cells.operations import check_modules, check_operations
from archdial.networks.cells.sharing import Split, split
from archdial.networks.cells.widths import Widths, check_widths, width_choice
from archdial.networks.example import example_of
from archdial.networks.layout import lay_out
from archdial.networks.supernet import Part
from archdial.space import Architecture, Choice, Space

NAMES = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
STAGES = 3
EDGES = tuple((node, source) for node in range(1, 4) for source in range(node))
"""(node, source) of each edge of a cell: node 0 is the input, node 3 the output."""

_EDGE = re.compile(r"([a-z0-9_]+)~(\d)")


@dataclass(frozen=True)
class Plan:
    """What a network of the benchmark is made of; it trained with 5 cells a stage and 16 channels.

    Attributes:
        cells: equal cells in each of the three stages.
        channels: of the first stage; each further one has twice as many, on half the height and width.
        image_size: (height, width) of an image, in pixels.
        widths: shares of `channels` that are one more choice, which the benchmark itself does not have.
    """

    in_channels: Size = 3
    classes: Size = 10
    cells: Size = 5
    channels: Size = 16
    operations: tuple[Name, ...] = NAMES
    image_size: tuple[Size, Size] = (32, 32)
    widths: Widths | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_widths(self.channels, self.widths)
        check_operations(self.operations)
        check_modules(STAGES * self.cells * len(EDGES) * len(self.operations), f"cells = {self.cells}")

    def space(self) -> Space:
        """Return the six choices of the one cell that all places share, and the width where that is one."""
        choices = (Choice(f"{node}<-{source}", self.operations, self.operations) for node, source in EDGES)
        return Space((*choices, *width_choice(self.channels, self.widths)))

    @property
    def example(self) -> Tensor:
        """One image (1, channels, height, width)."""
        return example_of((self.in_channels, *self.image_size))

    @property
    def stages(self) -> list[tuple[int, tuple[int, int]]]:
        """Channels, and height and width, of each stage."""
        sizes = [self.image_size]
        for _ in range(STAGES - 1):
            height, width = sizes[-1]
            sizes.append((-(-height // 2), -(-width // 2)))
        return [(self.channels * 2**stage, size) for stage, size in enumerate(sizes)]


@dataclass(frozen=True)
class BenchSettings(FromScratch):
    """The cells of NAS-Bench-201, without what the data decide; see `nas_bench_201.Plan`."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    later: ClassVar[Mapping[str, Any]] = {"widths": None}

    kind: Literal["nas_bench_201"] = "nas_bench_201"
    cells: Size = 5
    channels: Size = 16
    operations: tuple[Name, ...] = NAMES
    widths: Widths | None = None

    def make(self, data: Described, *, trust: bool = False) -> NasBench201:
        """Return the network for images and classes of `data`; it calls no code but archdial's.

        Raises:
            UsageError: these are no images, or nobody tells their classes.
        """
        return NasBench201(self._plan(*classified(data)))

    def example_space(self) -> Space:
        """Return the space, which does not depend on the data."""
        return self._plan(3, 32, 32, 10).space()

    def _plan(self, in_channels: int, height: int, width: int, classes: int) -> Plan:
        size = height, width
        return Plan(in_channels, classes, self.cells, self.channels, self.operations, size, self.widths)


class BenchCell(nn.Module):
    """Four nodes, each the sum of its edges from all before it."""

    def __init__(self, operations: tuple[str, ...], channels: int) -> None:
        super().__init__()
        self.edges = nn.ModuleList(Edge(operations, channels, 1) for _ in EDGES)

    def forward(self, inputs: Tensor, taken: Taken) -> Tensor:
        """Map (n, c, h, w) to the same shape."""
        states = [inputs]
        rows = iter(zip(self.edges, taken, strict=True))
        for _ in range(1, 4):
            outputs = [edge(state, row) for state, (edge, row) in zip(states, rows, strict=False)]
            fed = [output for output in outputs if output is not None]
            # A node that nothing feeds is zero, as the benchmark has it.
            states.append(sum(fed[1:], fed[0]) if fed else torch.zeros_like(inputs))
        return states[-1]


class Halving(nn.Module):
    """The residual block between stages: half the height and width, twice the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.first = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, wide, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(wide)
        )
        self.second = nn.Sequential(nn.ReLU(), nn.Conv2d(wide, wide, 3, padding=1, bias=False), nn.BatchNorm2d(wide))
        # Rounded up, as the convolutions round.
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, stride=2, ceil_mode=True, count_include_pad=False), nn.Conv2d(channels, wide, 1, bias=False)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map (n, c, h, w) to (n, 2 c, ⌈h/2⌉, ⌈w/2⌉)."""
        return cast(Tensor, self.shortcut(inputs) + self.second(self.first(inputs)))


class NasBench201(EdgeNetwork):
    """Stem, three stages of equal cells with a residual block between them, head; all cells share six choices."""

    kind = "nas_bench_201"
    plan_type = Plan
    settings_type = BenchSettings
    plan: Plan

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        first, last = plan.channels, plan.stages[-1][0]
        self.stem = nn.Sequential(nn.Conv2d(plan.in_channels, first, 3, padding=1, bias=False), nn.BatchNorm2d(first))
        self.cells = nn.ModuleList(
            BenchCell(plan.operations, channels) for channels, _ in plan.stages for _ in range(plan.cells)
        )
        self.halvings = nn.ModuleList(Halving(channels) for channels, _ in plan.stages[:-1])
        self.head = head(last, plan.stages[-1][1], (plan.classes,))
        self.order = lay_out(self)

    def forward(self, inputs: Tensor, weights: Tensor) -> Tensor:
        """Return logits (n, classes) of images (n, c, h, w) under option weights (6, k), or (7, k) with a width."""
        network, taken = self._chosen(weights)
        return network._run(inputs, taken)

    def _run(self, inputs: Tensor, taken: Taken) -> Tensor:
        state = self.stem(inputs).contiguous(memory_format=self.order)
        for number, cell in enumerate(self.cells):
            stage, place = divmod(number, self.plan.cells)
            if stage and not place:
                state = self.halvings[stage - 1](state)
            state = cell(state, taken)
        return cast(Tensor, self.head(state))

    def _split_option(self, row: int, option: str) -> Iterator[Split]:
        for number, cell in enumerate(self.cells):
            channels, size = self.plan.stages[number // self.plan.cells]
            module = cast(Edge, cast(BenchCell, cell).edges[row]).working(option)
            if module is not None:
                yield split(option, module, (channels, *size), 1)

    def _fixed_parts(self) -> Iterator[Part]:
        stages = self.plan.stages
        yield part("stem", self.stem, self.plan.in_channels, self.plan.image_size)
        for halving, (channels, size) in zip(self.halvings, stages, strict=False):
            yield part("halve", halving, channels, size)
        yield part("head", self.head, *stages[-1])

    def scaled(self, share: float) -> NasBench201 | None:
        """Return a network over the same space with `share` of the channels and new weights; None where there is none.

        There is none where the widths of so few channels are no longer those of the space.
        """
        return self._with_channels(max(1, round(share * self.plan.channels)))


def name_of(space: Space, architecture: Architecture) -> str:
    """Return an architecture as the benchmark writes it: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|."""
    names = iter(
        f"{choice.options[option]}~{source}"
        for choice, option, (_, source) in zip(space.choices, architecture.options, EDGES, strict=True)
    )
    return "+".join("|" + "|".join(next(names) for _ in range(node)) + "|" for node in range(1, 4))


def architecture_of(space: Space, name: str) -> Architecture:
    """Return the architecture that the benchmark writes as `name`.

    Raises:
        UsageError: it is none of its names, or has an operation that the space lacks.
    """
    found = _EDGE.findall(name)
    if [source for _, source in found] != [str(source) for _, source in EDGES]:
        raise UsageError(
            f"{name!r}: expected |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, an architecture string of NAS-Bench-201"
        )
    options = []
    for (operation, _), choice in zip(found, space.choices, strict=True):
        if operation not in choice.options:
            raise UsageError(f"operation {operation!r} in {name!r}: expected one of {', '.join(choice.options)}")
        options.append(choice.options.index(operation))
    return Architecture(tuple(options))
