"""What edges from one node share, such as pooling or activation: it runs, and costs, only once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from archdial.networks.cells.layers import shifted
from archdial.networks.cells.operations import FactorizedReduction, Subsample, halves
from archdial.networks.cells.repeats import told
from archdial.networks.supernet import Part, TermPlan
from archdial.space import EITHER, Choice

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shared:
    """Work on the output of a node that edges share.

    Attributes:
        name: equal where it is the same work.
    """

    name: str
    part: Part


@dataclass(frozen=True)
class Split:
    """An option of an edge: what edges from the same node share, one after the other, and what is the edge's own."""

    shared: tuple[Shared, ...]
    own: Part | None

    def shares(self, name: str) -> bool:
        """Tell whether the work called `name` is among what is shared."""
        return any(one.name == name for one in self.shared)


Splits = Mapping[tuple[str, str], Sequence[Split]]
"""By choice and one of its options: the splits, one for each cell that has the edge."""


def split(option: str, module: nn.Module, shape: Shape, stride: int) -> Split:
    """Return `option` split, for inputs of `shape`, (channels, height, width) or (channels, length)."""
    place = f"stride{stride}/{_size(shape)}"
    if isinstance(module, FactorizedReduction):
        flows = tuple(_example(shape) for _ in range(2))
        shift = Shared("shift", Part(f"shift/{place}", Shift(module.dimensions), shape))
        return Split(
            (_shared([module.relu], place, shape), shift), Part(f"{option}/{place}", Halves(module), shape, flows)
        )
    layers = list(module) if isinstance(module, nn.Sequential) else [module]
    count = next((number for number, layer in enumerate(layers) if not _repeats(layer)), len(layers))
    if not count:
        return Split((), Part(f"{option}/{place}", module, shape))
    first = _shared(layers[:count], place, shape)
    if count == len(layers):
        return Split((first,), None)
    _, *inner = first.part.module(_example(shape)).shape
    return Split((first,), Part(f"{option}/{place}", nn.Sequential(*layers[count:]), tuple(inner)))


def own_plan(choice: Choice, splits: Splits) -> TermPlan:
    """Return the term of what the edge of `choice` alone does under each of its options."""
    own = {o: tuple(one.own for one in splits[choice.name, o] if one.own is not None) for o in choice.options}
    return TermPlan((choice.name,), {(option,): parts for option, parts in own.items()})


def shared_plans(edges: Sequence[Choice], splits: Splits) -> Iterator[TermPlan]:
    """Yield the terms of what `edges`, choices of edges from one node in their order, share.

    Who asks first pays: an edge does if it takes one of the options that share, and no edge before it does.
    """
    for number, choice in enumerate(edges):
        entries: dict[tuple[str, ...], tuple[Part, ...]] = {}
        for option in choice.options:
            for others, parts in _due(choice.name, option, edges[:number], splits):
                entries[option, *others] = entries.get((option, *others), ()) + parts
        if entries:
            yield TermPlan((choice.name, *(earlier.name for earlier in edges[:number])), entries)


def _due(
    choice: str, option: str, before: Sequence[Choice], splits: Splits
) -> Iterator[tuple[tuple[str, ...], tuple[Part, ...]]]:
    """Yield which options the edges `before` must have taken for `option` to pay, and the parts that it then pays."""
    found = splits[choice, option]
    for number, shared in enumerate(found[0].shared if found else ()):
        others = tuple(_without(earlier, shared.name, splits) for earlier in before)
        if all(others):
            yield others, tuple(one.shared[number].part for one in found)


def _without(choice: Choice, name: str, splits: Splits) -> str:
    """Return the options of `choice` that do not share what is called `name`, with | between; empty if all do."""
    return EITHER.join(o for o in choice.options if not any(one.shares(name) for one in splits[choice.name, o]))


class Shift(nn.Module):
    """What a factorised reduction reads beside the activation."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        self.dimensions = dimensions

    def forward(self, active: Tensor) -> Tensor:
        """Map (n, c, …) to the same shape."""
        return shifted(active, self.dimensions)


class Halves(nn.Module):
    """What a factorised reduction does with both."""

    def __init__(self, reduction: FactorizedReduction) -> None:
        super().__init__()
        self.even, self.odd, self.norm = reduction.even, reduction.odd, reduction.norm
        self.ends = reduction.ends

    def forward(self, active: Tensor, moved: Tensor) -> Tensor:
        """Map two (n, c, h, w) to (n, channels_out, ⌈h/2⌉, ⌈w/2⌉)."""
        return cast(Tensor, self.norm(halves(self.even(active), self.odd(moved), self.ends)))


def _shared(layers: Sequence[nn.Module], place: str, shape: Shape) -> Shared:
    name = "+".join(str(told(layer) or type(layer).__name__) for layer in layers)
    kind = "+".join(type(layer).__name__.lower() for layer in layers)
    return Shared(name, Part(f"{kind}/{place}", nn.Sequential(*layers), shape))


def _repeats(layer: nn.Module) -> bool:
    return told(layer) is not None or isinstance(layer, Subsample)


def _size(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _example(shape: Shape) -> Tensor:
    return torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))


def by_source(choices: Sequence[Choice], source: Callable[[Choice], str]) -> Mapping[str, list[Choice]]:
    """Return `choices` in their order by the node that they come from."""
    found: dict[str, list[Choice]] = {}
    for choice in choices:
        found.setdefault(source(choice), []).append(choice)
    return found
