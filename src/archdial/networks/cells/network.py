"""Cell networks searched from scratch: normal and reduction cells as in DARTS (Liu et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import ConfigDict
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Size
from archdial.networks.calling import Calling
from archdial.networks.cells.cell import Cell, Joints, Place, skeleton
from archdial.networks.cells.cell_plan import USUAL, CellPlan, Many, Numbers, plan_for
from archdial.networks.cells.edges import Edge, EdgeNetwork, Taken, part
from archdial.networks.cells.frames import mix_halves
from archdial.networks.cells.from_scratch import Described, FromScratch
from archdial.networks.cells.heads import dense_head, head
from archdial.networks.cells.inputs import Input, input_of, unknown_tokens
from archdial.networks.cells.layers import IMAGES, SIGNALS, halved
from archdial.networks.cells.operations import BY_DIMENSIONS, NONE
from archdial.networks.cells.sharing import Split, split
from archdial.networks.cells.slicing import Blocks
from archdial.networks.cells.stems import stem
from archdial.networks.cells.widths import Widths
from archdial.networks.layout import lay_out
from archdial.networks.supernet import Part, part_on
from archdial.space import Space

_OPTIONS = ("cells", "nodes", "channels", "stem_stride", "outputs", "places", "dense", "widths")


@dataclass(frozen=True)
class CellSettings(FromScratch):
    """Settings of cells, except what the data determine: the input, and the number of classes; see `CellPlan`.

    Attributes:
        operations: if omitted, the defaults for images, or for signals and tokens.
        outputs, places, dense, widths: see `cells`.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    later: ClassVar[Mapping[str, Any]] = {
        "tokens": None,
        "outputs": None,
        "places": None,
        "dense": False,
        "widths": None,
    }

    kind: Literal["cells"] = "cells"
    cells: Size = 3
    nodes: Size = 4
    operations: tuple[Name, ...] = USUAL[IMAGES]
    channels: Size = 16
    stem_stride: Literal[1, 2, 4, 8, 16, 32, 64] = 1
    tokens: Many | None = None
    outputs: Size | Numbers | None = None
    places: Size | None = None
    dense: bool = False
    widths: Widths | None = None

    def make(self, data: Described, *, trust: bool = False) -> CellNetwork:
        """Return the network for inputs and classes of `data`; it calls no code but archdial's.

        Raises:
            UsageError: cells take no such inputs, or nobody says what they give.
        """
        if (self.outputs is None) == (not data.classes):
            raise UsageError(
                f"network.outputs is {'not set' if self.outputs is None else self.outputs}, and the data name "
                f'{len(data.classes)} classes: return "classes" with the data, or set outputs to the number of outputs'
            )
        return CellNetwork(self._plan(input_of(data.example, None, None, None, self.tokens), len(data.classes)))

    def example_space(self) -> Space:
        """Return the space; that of signals has usual operations of other names."""
        of_images = self.tokens is None and not set(self.operations) <= {NONE, *BY_DIMENSIONS[SIGNALS]}
        return self._plan(Input(3, (32, 32)) if of_images else Input(3, None, 32, self.tokens), 10).space()

    def _plan(self, found: Input, classes: int) -> CellPlan:
        options = {name: getattr(self, name) for name in _OPTIONS}
        operations = None if self.operations == USUAL[IMAGES] else self.operations
        return plan_for(found, classes if self.outputs is None else None, operations=operations, **options)


class CellNetwork(EdgeNetwork):
    """Stem, cells, head. All normal cells share one set of choices, all reduction cells another."""

    kind = "cells"
    plan_type = CellPlan
    settings_type = CellSettings
    later = ("length", "tokens", "outputs", "places", "dense", "input_name", "widths")
    plan: CellPlan

    def __init__(self, plan: CellPlan) -> None:
        super().__init__(plan)
        self.calling = Calling(names=(plan.input_name,))
        size, halvings = halved(plan.size, plan.halvings), plan.halvings
        self._places = list(skeleton(plan.channels, size, plan.nodes, [plan.reduces(n) for n in range(plan.cells)]))
        self.stem = stem(plan.in_channels, plan.channels, halvings, plan.dimensions, plan.tokens)
        self.cells = nn.ModuleList(Cell(place, plan.nodes, plan.operations) for place in self._places)
        # Nodes sum their inputs, so the scale of the last cell's output depends on the path: normalise it.
        self.head = self._head()
        self.order = lay_out(self) if plan.dimensions == IMAGES else torch.contiguous_format
        mix_halves(self, plan.channels, tuple(self._kept.values()))

    def _head(self) -> nn.Module:
        plan, last = self.plan, self._places[-1]
        if plan.dense:
            return dense_head(plan.nodes * last.channels, plan.size, *plan.gives)
        return head(plan.nodes * last.channels, last.size_out, plan.gives, plan.places)

    def forward(self, inputs: Any, weights: Tensor) -> Tensor:
        """Return outputs, as logits (n, classes), of inputs (n, …) under option weights (m, k).

        Args:
            inputs: a tensor, or a batch by name that has it.

        Raises:
            UsageError: a token is outside the vocabulary.
        """
        inputs = inputs[self.plan.input_name] if isinstance(inputs, Mapping) else inputs
        network, taken = self._chosen(weights)
        return network._run(inputs, taken)

    def _run(self, inputs: Tensor, taken: Taken) -> Tensor:
        # A single input channel has no layout of its own: without this the whole network would run in the slower one.
        older = newer = self._begun(inputs).contiguous(memory_format=self.order)
        for place, cell in zip(self._places, self.cells, strict=True):
            older, newer = newer, cell(older, newer, taken[self._rows(place)])
        return cast(Tensor, self.head(newer))

    def _begun(self, inputs: Tensor) -> Tensor:
        try:
            return cast(Tensor, self.stem(inputs))
        except IndexError:
            raise unknown_tokens(inputs, self.plan.tokens) from None

    def _rows(self, place: Place) -> slice:
        edges = len(self.plan.edges)
        first = edges if place.reduces and not all(other.reduces for other in self._places) else 0
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
        yield self._stem_part()
        for place, cell in zip(self._places, self.cells, strict=True):
            kinds = ("halve" if place.late else "match", "match")
            modules = (cast(nn.Module, cell.older), cast(nn.Module, cell.newer))
            for kind, module, channels, size in zip(kinds, modules, place.channels_in, place.size_in, strict=True):
                yield part(f"{kind}/to{place.channels}", module, channels, size)
            yield part("joints", Joints(self.plan.nodes), place.channels, place.size_out)
        last = self._places[-1]
        yield part("head", self.head, self.plan.nodes * last.channels, last.size_out)

    def _stem_part(self) -> Part:
        plan = self.plan
        if plan.tokens is None:
            return part("stem", self.stem, plan.in_channels, plan.size)
        return part_on(f"stem/{plan.tokens} tokens/{plan.in_channels}x{plan.length}", self.stem, plan.example)

    @property
    def _blocks(self) -> Callable[[str], Blocks]:
        return partial(_blocks, self.plan.nodes)

    def scaled(self, share: float) -> CellNetwork | None:
        """Return a network over the same space with `share` of the channels, even and at least 2, and new weights.

        None where the widths of so few channels are no longer those of the space.
        """
        return self._with_channels(max(2, 2 * round(share * self.plan.channels / 2)))


def _blocks(nodes: int, name: str) -> Blocks:
    """Return into how many blocks of channels the tensors of the module called `name` fall: a cell gives its nodes'."""
    match name.split("."):
        case ["head", *_]:
            return nodes, nodes
        case ["cells", cell, "older" | "newer" as which, *_] if int(cell) > (which == "older"):
            return 1, nodes
    return 1, 1


def cells(
    in_channels: int | None = None,
    classes: int | None = None,
    cells: int = 3,
    nodes: int = 4,
    operations: Sequence[str] | None = None,
    channels: int = 16,
    image_size: int | tuple[int, int] | None = None,
    stem_stride: int = 1,
    *,
    length: int | None = None,
    tokens: int | None = None,
    outputs: int | tuple[int, ...] | None = None,
    places: int | None = None,
    dense: bool = False,
    widths: Sequence[float] | None = None,
    example: object = None,
) -> CellNetwork:
    """Return a network of searchable cells, for images of 28 × 28 by default.

        cells(in_channels=3, classes=10, image_size=32)        # images (n, 3, 32, 32)
        cells(in_channels=1, classes=10, length=8000)          # signals (n, 1, 8000)
        cells(tokens=5000, classes=77, length=32)              # tokens (n, 32), whole numbers below 5000
        cells(example=batch, outputs=24)                       # inputs like the example; 24 numbers for each

    Args:
        in_channels: channels of an image or a signal; for tokens, the size of the embedding.
        classes: number of classes: outputs are logits (n, classes).
        cells: number of cells; those at 1/3 and 2/3 of the depth halve the size and double the channels.
        nodes: intermediate nodes per cell.
        operations: options of each choice; by default max pooling, identity and separable convolution of 3.
        channels: channels of a node in the first cell.
        image_size: (height, width) of an image in pixels, or one number for both.
        stem_stride: 1, or a power of 2 up to 64, by which the stem divides the size of the input.
        length: length of a signal (n, in_channels, length), or of tokens (n, length).
        tokens: size of the vocabulary, if inputs are tokens.
        outputs: the number of outputs per input, or their shape, instead of `classes`.
        places: number of positions per side to which the head averages features: 1 by default; for `outputs`, which
            often depend on position, 16 for signals and 4 × 4 for images.
        dense: outputs are per position of the input, (n, classes, *size).
        widths: fractions of `channels`, such as [1, 0.75, 0.5], as one more choice shared by stem, cells and head.
        example: a tensor (n, …) of inputs, floating point or tokens; or a named one, {"input_ids": …}.

    Raises:
        UsageError: an operation is unknown, a size is below 1, or inputs or outputs are under- or overspecified.
    """
    found = input_of(example, in_channels, image_size, length, tokens)
    sizes = {"cells": cells, "nodes": nodes, "channels": channels, "stem_stride": stem_stride}
    return CellNetwork(
        plan_for(
            found, classes, operations=operations, outputs=outputs, places=places, dense=dense, widths=widths, **sizes
        )
    )
