"""Supernets whose choices are the edges of cells: what they have in common, whatever their skeleton."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, Self, cast

from torch import Tensor, nn

from archdial.common.validation import conforming
from archdial.networks.cells.from_scratch import FromScratch
from archdial.networks.cells.layers import IMAGES
from archdial.networks.cells.operations import make_operation
from archdial.networks.cells.plain import plain_module
from archdial.networks.cells.sharing import Split, Splits, by_source, own_plan, shared_plans
from archdial.networks.supernet import Part, Supernet, TermPlan
from archdial.space import Architecture, Space

Taken = list[list[tuple[int, Tensor | None]]]
"""For each choice the options that run, with their weight; None stands for a plain 1."""


class EdgePlan(Protocol):
    """What the plan of such a network has at least; it is a dataclass."""

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
        kind: what its JSON calls it.
        plan_type: dataclass of its plan.
        settings_type: dataclass of what a recipe says of it.
    """

    kind: ClassVar[str]
    plan_type: ClassVar[Callable[..., EdgePlan]]
    settings_type: ClassVar[type[FromScratch]]
    plan: EdgePlan

    def __init__(self, plan: EdgePlan) -> None:
        super().__init__()
        self.plan, self.space = plan, plan.space()

    @property
    def example(self) -> Tensor:
        """One input (1, …)."""
        return self.plan.example

    def build(self, architecture: Architecture, calibration: Sequence[Any] = ()) -> nn.Module:
        """Return `architecture` as a plain module of `torch.nn` parts, weights copied; see `Supernet.build`."""
        return plain_module(self, self.space.one_hot(architecture), calibration, self.calling.names[0])

    def terms(self) -> list[TermPlan]:
        """Return the terms of the cost.

        One without choices for what always runs; one a choice for what its edge alone does; and over the edges from one
        node what they share.
        """
        splits = self._splits()
        plans = [TermPlan((), {(): tuple(self._fixed_parts())})]
        plans += [own_plan(choice, splits) for choice in self.space.choices]
        for edges in by_source(self.space.choices, lambda choice: _node(choice.name)).values():
            plans += shared_plans(edges, splits)
        return plans

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
        """Return the plan, from which `from_json` makes an equal network."""
        return {"kind": self.kind, **asdict(cast(Any, self.plan))}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Return a network with new weights by the plan that `to_json` wrote."""
        plan = {name: item for name, item in value.items() if name != "kind"}
        return cls(conforming(cls.plan_type, plan, "network"))


def part(name: str, module: nn.Module, channels: int, size: tuple[int, ...]) -> Part:
    """Return what always runs on inputs of so many channels and `size`, (height, width) or (length,)."""
    return Part(f"{name}/{'x'.join(map(str, (channels, *size)))}", module, (channels, *size))


def taken_options(weights: Tensor) -> Taken:
    """Return for each choice of option weights (m, k) the options whose weight is not exactly zero."""
    values = weights.detach().tolist()
    plain = not weights.requires_grad
    return [
        [(o, None if plain and value == 1.0 else weights[row, o]) for o, value in enumerate(line) if value != 0.0]
        for row, line in enumerate(values)
    ]


def _node(name: str) -> str:
    """Return kind of cell and source of the edge whose choice is called `name`, as "normal/0"."""
    return f"{name.rpartition('/')[0]}/{name.rpartition('<-')[2]}"
