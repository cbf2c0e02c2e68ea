"""Cell networks searched from scratch: normal and reduction cells as in DARTS (Liu et al. 2019)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, cast

import torch
from pydantic import ConfigDict, Field
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Size, Whole
from archdial.common.validation import check_fields
from archdial.networks.calling import Calling
from archdial.networks.cells.cell import Cell, Joints, Place, edges_of, skeleton
from archdial.networks.cells.edges import Edge, EdgeNetwork, part, taken_options
from archdial.networks.cells.from_scratch import FromScratch
from archdial.networks.cells.heads import check_outputs, dense_head, head
from archdial.networks.cells.inputs import check_input, input_of, unknown_tokens
from archdial.networks.cells.layers import IMAGES, SIGNALS, halved
from archdial.networks.cells.operations import check_modules, check_operations
from archdial.networks.cells.sharing import Split, split
from archdial.networks.cells.stems import STRIDES, stem
from archdial.networks.example import example_of
from archdial.networks.layout import lay_out
from archdial.networks.supernet import Part, part_on
from archdial.space import Choice, Space

NORMAL, REDUCTION = "normal", "reduction"
USUAL = {
    SIGNALS: ("max_pool_3", "identity", "sep_conv_3"),
    IMAGES: ("max_pool_3x3", "identity", "sep_conv_3x3"),
}
"""Operations where none are named."""
PLACES = {SIGNALS: 16, IMAGES: 4}
"""Along each side, where numbers are asked for."""
LATER = ("length", "tokens", "outputs", "places", "dense", "input_name")
"""What plans of images and classes, as older versions know them, do not write."""
Many = Annotated[Whole, Field(ge=1, le=2**24)]


@dataclass(frozen=True)
class CellPlan:
    """What a cell network is made of.

    Attributes:
        in_channels: channels of an image or a signal; of tokens the numbers that each becomes.
        classes: number of classes or labels: outputs are logits (n, classes). None where `outputs` says what they are.
        cells: number of cells; those at 1/3 and 2/3 of the depth reduce.
        nodes: intermediate nodes of a cell.
        operations: names of the options of every choice.
        channels: channels of a node in the first cell; each reduction doubles them.
        image_size: (height, width) of an image, in pixels; None of signals and tokens.
        stem_stride: 2 halves the image before the first cell, which costs a quarter of the time throughout; 1, or a
            power of 2 up to 64.
        length: of a signal (n, in_channels, length), or of tokens (n, length).
        tokens: how many different ones there are, if inputs are whole numbers below that.
        outputs: shape of the outputs (n, *outputs) of regression.
        places: into how many along each side the head averages features; see `head`.
        dense: outputs are for each place of the input, (n, classes, *size), and `outputs` is one number.
        input_name: in batches by name.
    """

    in_channels: Size
    classes: Size | None
    cells: Size = 3
    nodes: Size = 4
    operations: tuple[Name, ...] = USUAL[IMAGES]
    channels: Size = 16
    image_size: tuple[Size, Size] | None = (28, 28)
    stem_stride: int = 1
    length: Many | None = None
    tokens: Many | None = None
    outputs: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)] | None = None
    places: Size = 1
    dense: bool = False
    input_name: Name = "inputs"

    def __post_init__(self) -> None:
        check_fields(self)
        check_input(self.image_size, self.length, self.tokens, self.input_name)
        check_operations(self.operations, self.dimensions)
        if self.stem_stride not in STRIDES:
            raise UsageError(f"stem_stride = {self.stem_stride}: expected one of {', '.join(map(str, STRIDES))}")
        if self.channels < 2:
            raise UsageError(f"channels = {self.channels}: expected at least 2, a reduction splits them in halves")
        check_outputs(self.classes, self.outputs, self.places, self.dense)
        # Not by a list of them, which may be too long to make.
        edges = self.nodes * (self.nodes + 3) // 2
        check_modules(self.cells * edges * len(self.operations), f"cells = {self.cells}, nodes = {self.nodes}")

    @property
    def size(self) -> tuple[int, ...]:
        """(height, width) of an image, or (length,)."""
        return (cast(int, self.length),) if self.image_size is None else self.image_size

    @property
    def dimensions(self) -> int:
        """1 of signals and tokens, 2 of images."""
        return len(self.size)

    @property
    def example(self) -> Tensor:
        """One input (1, …)."""
        if self.tokens is not None:
            return (torch.arange(self.size[0]) % self.tokens)[None]
        return example_of((self.in_channels, *self.size))

    @property
    def halvings(self) -> int:
        """How often the stem does halve."""
        return self.stem_stride.bit_length() - 1

    @property
    def gives(self) -> tuple[int, ...]:
        """Shape of the outputs of one input, or of dense ones at each place."""
        return (cast(int, self.classes),) if self.outputs is None else self.outputs

    def reduces(self, cell: int) -> bool:
        """Tell whether cell number `cell` is a reduction cell."""
        return cell in {self.cells // 3, 2 * self.cells // 3} and cell > 0

    @property
    def edges(self) -> list[tuple[int, int]]:
        """(node, source) of each edge of a cell; sources 0 and 1 are the two cells before, nodes count from 2."""
        return edges_of(self.nodes)

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
    operations: tuple[Name, ...] = USUAL[IMAGES]
    channels: Size = 16
    stem_stride: Literal[1, 2] = 1

    def plan(self, input_shape: tuple[int, int, int], classes: int) -> CellPlan:
        """Return the plan for images of `input_shape` (channels, height, width)."""
        in_channels, height, width = input_shape
        chosen = self.cells, self.nodes, self.operations, self.channels
        return CellPlan(in_channels, classes, *chosen, (height, width), self.stem_stride)


class CellNetwork(EdgeNetwork):
    """Stem, cells, head. All normal cells share one set of choices, all reduction cells another."""

    kind = "cells"
    plan_type = CellPlan
    settings_type = CellSettings
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
            UsageError: there are other tokens than those of the plan.
        """
        inputs = inputs[self.plan.input_name] if isinstance(inputs, Mapping) else inputs
        taken = taken_options(weights)
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

    def to_json(self) -> dict[str, Any]:
        """Return the plan, from which `from_json` makes an equal network."""
        usual = {item.name: item.default for item in fields(CellPlan)}
        return {key: value for key, value in super().to_json().items() if key not in LATER or value != usual[key]}

    def scaled(self, share: float) -> CellNetwork:
        """Return a network over the same space with `share` of the channels, even and at least 2, and new weights."""
        return CellNetwork(replace(self.plan, channels=max(2, 2 * round(share * self.plan.channels / 2))))


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
    example: object = None,
) -> CellNetwork:
    """Return a network of searchable cells, for images of 28 × 28 unless something else is said.

        cells(in_channels=3, classes=10, image_size=32)        # images (n, 3, 32, 32)
        cells(in_channels=1, classes=10, length=8000)          # signals (n, 1, 8000)
        cells(tokens=5000, classes=77, length=32)              # tokens (n, 32), whole numbers below 5000
        cells(example=batch, outputs=24)                       # as the example is: 24 numbers for each input

    Args:
        operations: max pooling, identity and separable convolution of 3 by default.
        outputs: one number, or the shape of the numbers that each input gives, instead of `classes`.
        places: 1 by default; for `outputs`, which often tell where something is, 16 of signals, 4 × 4 of images.
        example: a tensor (n, …) of inputs, floating point or tokens; or as a batch by name has it, {"input_ids": …}.

    The rest is as in `CellPlan`.

    Raises:
        UsageError: an operation is unknown, a size is below 1, or what is said of inputs or outputs is not enough or
            contradicts itself.
    """
    found = input_of(example, in_channels, image_size, length, tokens)
    usual, most = USUAL[found.dimensions], PLACES[found.dimensions]
    chosen = cells, nodes, usual if operations is None else tuple(operations), channels
    numbers = (outputs,) if isinstance(outputs, int) else outputs
    places = (1 if numbers is None or dense else most) if places is None else places
    return CellPlan(
        *(found.in_channels, classes, *chosen, found.image_size, stem_stride, found.length, found.tokens),
        *(numbers if numbers is None else tuple(numbers), places, dense, found.name),
    ).network()
