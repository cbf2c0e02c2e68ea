"""The plan of a network of cells: its cells, inputs and outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast

import torch
from pydantic import Field
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Size, Whole
from archdial.common.validation import check_fields
from archdial.networks.cells.cell import edges_of
from archdial.networks.cells.heads import check_outputs
from archdial.networks.cells.inputs import Input, check_input
from archdial.networks.cells.layers import IMAGES, SIGNALS
from archdial.networks.cells.operations import check_modules, check_operations
from archdial.networks.cells.stems import STRIDES
from archdial.networks.cells.widths import Widths, check_widths, width_choice
from archdial.networks.example import example_of
from archdial.space import Choice, Space

NORMAL, REDUCTION = "normal", "reduction"
USUAL = {
    SIGNALS: ("max_pool_3", "identity", "sep_conv_3"),
    IMAGES: ("max_pool_3x3", "identity", "sep_conv_3x3"),
}
"""Operations where none are named."""
PLACES = {SIGNALS: 16, IMAGES: 4}
"""Along each side, where numbers are asked for."""
Numbers = Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]
"""Shape of the outputs for one input."""
Many = Annotated[Whole, Field(ge=1, le=2**24)]


@dataclass(frozen=True)
class CellPlan:
    """What a cell network is made of.

    Attributes:
        in_channels: channels of an image or a signal; for tokens, the size of the embedding.
        classes: number of classes or labels: outputs are logits (n, classes). None if `outputs` is set.
        cells: number of cells; those at 1/3 and 2/3 of the depth reduce.
        nodes: intermediate nodes of a cell.
        operations: names of the options of every choice.
        channels: channels of a node in the first cell; each reduction doubles them.
        image_size: (height, width) of an image in pixels; None for signals and tokens.
        stem_stride: 1, or a power of 2 up to 64. 2 halves the image before the first cell, which reduces the time of
            all cells to a quarter.
        length: length of a signal (n, in_channels, length), or of tokens (n, length).
        tokens: size of the vocabulary, if inputs are whole numbers below that.
        outputs: shape of the outputs (n, *outputs) of regression.
        places: number of positions per side to which the head averages features; see `head`.
        dense: outputs are per position of the input, (n, classes, *size), and `outputs` is 1.
        input_name: name of the input in named batches.
        widths: fractions of `channels` as one more choice, shared by all cells, stem and head.
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
    outputs: Numbers | None = None
    places: Size = 1
    dense: bool = False
    input_name: Name = "inputs"
    widths: Widths | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_input(self.image_size, self.length, self.tokens, self.input_name)
        check_operations(self.operations, self.dimensions)
        if self.stem_stride not in STRIDES:
            raise UsageError(f"stem_stride = {self.stem_stride}: expected one of {', '.join(map(str, STRIDES))}")
        if self.channels < 2:
            raise UsageError(
                f"channels = {self.channels}: expected at least 2, because a reduction splits them in half"
            )
        check_widths(self.channels, self.widths)
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
        """Return the choices: one an edge, shared by all normal cells, and another shared by all reduction cells.

        Where the width is a choice it is the last one.
        """
        kinds = [NORMAL] * any(not self.reduces(cell) for cell in range(self.cells))
        kinds += [REDUCTION] * any(self.reduces(cell) for cell in range(self.cells))
        names = [f"{kind}/{node}<-{source}" for kind in kinds for node, source in self.edges]
        edges = tuple(Choice(name, self.operations, self.operations) for name in names)
        return Space(edges + width_choice(self.channels, self.widths))


def plan_for(
    found: Input,
    classes: int | None,
    *,
    operations: Sequence[str] | None,
    outputs: int | tuple[int, ...] | None,
    places: int | None,
    dense: bool,
    widths: Sequence[float] | None,
    **sizes: int,
) -> CellPlan:
    """Return the plan for inputs as `found`; what is left open is as `archdial.cells` says."""
    numbers = (outputs,) if isinstance(outputs, int) else outputs
    usual, most = USUAL[found.dimensions], PLACES[found.dimensions]
    return CellPlan(
        in_channels=found.in_channels,
        classes=classes,
        operations=usual if operations is None else tuple(operations),
        image_size=found.image_size,
        length=found.length,
        tokens=found.tokens,
        outputs=numbers if numbers is None else tuple(numbers),
        places=(1 if numbers is None or dense else most) if places is None else places,
        dense=dense,
        input_name=found.name,
        # 1 as files have it, once they were read.
        widths=tuple(float(one) if type(one) is int else one for one in widths)
        if isinstance(widths, Sequence)
        else widths,
        **sizes,
    )
