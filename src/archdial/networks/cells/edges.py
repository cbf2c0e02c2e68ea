"""Supernets whose choices are the edges of cells: what they have in common, whatever their skeleton."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any, ClassVar, Protocol, Self, cast

import torch
from torch import Tensor, nn

from archdial.common.validation import conforming
from archdial.networks.cells.frames import Frames, mix_halves
from archdial.networks.cells.from_scratch import FromScratch
from archdial.networks.cells.layers import IMAGES
from archdial.networks.cells.operations import make_operation
from archdial.networks.cells.plain import plain_module
from archdial.networks.cells.sharing import Split, Splits, by_source, own_plan, shared_plans
from archdial.networks.cells.slicing import Blocks
from archdial.networks.cells.widths import Widths, joined_terms, kept_channels
from archdial.networks.supernet import Part, Supernet, TermPlan
from archdial.space import Architecture, Space

Taken = list[list[tuple[int, Tensor | None]]]
"""For each choice the options that run, with their weight; None stands for a plain 1."""


class EdgePlan(Protocol):
    """What the plan of such a network has at least; it is a dataclass."""

    @property
    def channels(self) -> int:
        """Channels of the first cell."""

    @property
    def widths(self) -> Widths | None:
        """Shares of them that are a choice; None where they are none."""

    @property
    def example(self) -> Tensor:
        """One input (1, …)."""

    def space(self) -> Space:
        """Return the choices."""


class Edge(nn.Module):
    """The options of one edge of one cell."""

    def __init__(self, operations: Sequence[str], channels: int, stride: int, dimensions: int = IMAGES) -> None:
        super().__init__()
        made = {name: make_operation(name, channels, stride, dimensions) for name in operations}
        self.names = tuple(operations)
        self.options = nn.ModuleDict({name: module for name, module in made.items() if module is not None})

    def working(self, option: str) -> nn.Module | None:
        """Return the option called `option`; None where it does nothing: `build` leaves no trace of such ones."""
        module = dict(self.options.items()).get(option)
        return None if isinstance(module, nn.Identity) else module

    def forward(self, inputs: Tensor, taken: list[tuple[int, Tensor | None]]) -> Tensor | None:
        """Return the weighted sum of the options in `taken`, or None where nothing contributes."""
        total: Tensor | None = None
        for option, weight in taken:
            name = self.names[option]
            if name not in self.options:
                continue
            output = self.options[name](inputs)
            output = output if weight is None else output * weight
            total = output if total is None else total + output
        return total


class EdgeNetwork(Supernet):
    """Stem, cells, head, by a plan; choices are named for their edge, as "normal/2<-0" or "2<-0".

    Attributes:
        kind: its name in JSON.
        plan_type: dataclass of its plan.
        settings_type: dataclass of its settings in a recipe.
        later: keys unknown to older versions, which are not written if they have their defaults.
    """

    kind: ClassVar[str]
    plan_type: ClassVar[Callable[..., EdgePlan]]
    settings_type: ClassVar[type[FromScratch]]
    later: ClassVar[tuple[str, ...]] = ("widths",)
    plan: EdgePlan

    order: torch.memory_format
    _made_frames: Frames[Self] | None = None

    def __init__(self, plan: EdgePlan) -> None:
        super().__init__()
        self.plan, self.space = plan, plan.space()
        # Channels by the options of the width; none where it is no choice.
        self._kept = {} if plan.widths is None else kept_channels(plan.channels, plan.widths)

    @property
    def example(self) -> Tensor:
        """One input (1, …)."""
        return self.plan.example

    def build(self, architecture: Architecture, calibration: Sequence[Any] = ()) -> nn.Module:
        """Return `architecture` as a plain module of `torch.nn` parts, weights copied; see `Supernet.build`."""
        self.space.check(architecture)
        network, options = self, architecture.options
        if self._kept:
            network, options = self._frames.alone(self, options[-1]), options[:-1]
        return plain_module(network, network.space.one_hot(Architecture(options)), calibration, self.calling.names[0])

    def terms(self) -> list[TermPlan]:
        """Return the terms of the cost.

        One without choices for what always runs; one per choice for what only its edge does; and one over the edges
        from a node for what they share. If the width is a choice, each is over that too.
        """
        if self._kept:
            return joined_terms(
                {name: self._frames.alone(self, number).terms() for number, name in enumerate(self._kept)}
            )
        splits = self._splits()
        plans = [TermPlan((), {(): tuple(self._fixed_parts())})]
        plans += [own_plan(choice, splits) for choice in self.space.choices]
        for edges in by_source(self.space.choices, lambda choice: _node(choice.name)).values():
            plans += shared_plans(edges, splits)
        return plans

    @property
    def _blocks(self) -> Callable[[str], Blocks]:
        """Return what tells of a module's name into how many blocks of channels its tensors fall."""
        return _whole

    @property
    def _frames(self) -> Frames[Self]:
        # When first asked for: whoever only holds a plan against a file's weights needs none.
        if self._made_frames is None:
            kept = tuple(self._kept.values())
            with torch.device("meta"):
                found = [type(self)(replace(cast(Any, self.plan), channels=count, widths=None)) for count in kept]
            for frame, channels in zip(found, kept, strict=True):
                mix_halves(frame, channels, kept)
            self._made_frames = Frames(self, found, self._blocks)
        return self._made_frames

    def _chosen(self, weights: Tensor) -> tuple[Self, Taken]:
        """Return the network as the width in option weights (m, k) has it, and what edges take."""
        taken = taken_options(weights)
        if not self._kept:
            return self, taken
        *edges, width = taken
        match width:
            case [(0, None)]:
                return self, edges
            case [(number, None)]:
                return self._frames.narrow(self, number), edges
        return self._frames.masked(self, weights[-1, : len(self._kept)]), edges

    def _splits(self) -> Splits:
        """Return each option of each choice split, in every cell that has the edge."""
        return {
            (choice.name, option): tuple(self._split_option(row, option))
            for row, choice in enumerate(self.space.choices)
            for option in choice.options
        }

    @abstractmethod
    def _split_option(self, row: int, option: str) -> Iterator[Split]:
        """Yield an option of the choice in `row` split, for each cell that has its edge and where it runs something."""

    @abstractmethod
    def _fixed_parts(self) -> Iterator[Part]:
        """Yield what always runs."""

    def to_json(self) -> dict[str, Any]:
        """Return the plan as a JSON value, without keys of `later` that have their defaults."""
        usual = {item.name: item.default for item in fields(cast(Any, self.plan)) if item.name in self.later}
        plan = asdict(cast(Any, self.plan))
        return {"kind": self.kind, **{key: value for key, value in plan.items() if usual.get(key, ...) != value}}

    def _with_channels(self, channels: int) -> Self | None:
        """Return a network by the same plan but for the channels, with new weights; None where its space is another."""
        widths = self.plan.widths
        if widths is not None and [*kept_channels(channels, widths)] != [*self._kept]:
            return None
        return type(self)(replace(cast(Any, self.plan), channels=channels))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return a network with new weights from the plan that `to_json` wrote."""
        plan = {name: item for name, item in value.items() if name != "kind"}
        return cls(conforming(cls.plan_type, plan, "network"))


def part(name: str, module: nn.Module, channels: int, size: tuple[int, ...]) -> Part:
    """Return what always runs on inputs with `channels` and `size`, (height, width) or (length,)."""
    return Part(f"{name}/{'x'.join(map(str, (channels, *size)))}", module, (channels, *size))


def taken_options(weights: Tensor) -> Taken:
    """Return for each choice of option weights (m, k) the options whose weight is not exactly zero."""
    values = weights.detach().tolist()
    plain = not weights.requires_grad
    return [
        [(o, None if plain and value == 1.0 else weights[row, o]) for o, value in enumerate(line) if value != 0.0]
        for row, line in enumerate(values)
    ]


def _whole(name: str) -> Blocks:
    return 1, 1


def _node(name: str) -> str:
    """Return kind of cell and source of the edge whose choice is called `name`, as "normal/0"."""
    return f"{name.rpartition('/')[0]}/{name.rpartition('<-')[2]}"
