"""A width: how many units to keep in dimensions that must agree; possibly none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx

from archdial.networks.graph.choices.choice import DROPPED, GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.gate import Gate
from archdial.networks.graph.widths.group import Group
from archdial.space import Choice

FRACTIONS = (1.0, 0.75, 0.5, 0.25)
MULTIPLE = 8
"""Channels: what runtimes compute at once, so that fewer are not faster."""
NOTHING = "0"
SUFFIX = ".width"


@dataclass(frozen=True)
class Width(GraphChoice):
    """Units of one or several groups, kept by the same fraction; the first ones of each stay.

    Attributes:
        widths: fractions of the whole, the largest, 1, first.
        units: of each group by number, how many units are kept under each fraction.
        of: the kind of what the units are of.
        gate: what else is dropped at width 0; None where nothing of the groups can be.
    """

    name: str
    widths: tuple[float, ...]
    units: Mapping[int, tuple[int, ...]]
    of: str
    gate: Gate | None = None

    @property
    def operations(self) -> tuple[Operation, ...]:  # type: ignore[override]
        """What is dropped at width 0."""
        return () if self.gate is None else self.gate.operations

    @property
    def kind(self) -> str:
        """The kind of what the units are of."""
        return self.of

    @property
    def choice(self) -> Choice:
        """Its fractions, as a choice of a space; 0 among them where all may be dropped."""
        options = options_named(self.widths, droppable=self.gate is not None)
        dropped = len(options) - len(self.widths)
        return Choice(self.name, options, (self.of,) * len(self.widths) + (DROPPED,) * dropped)

    @property
    def groups(self) -> tuple[int, ...]:
        """Numbers of its groups."""
        return tuple(self.units)

    def counts(self, option: int) -> Mapping[int, int]:
        """Return how many units of each group are kept; where all are dropped nothing is said of them."""
        if option >= len(self.widths):
            return {}
        return {group: counts[option] for group, counts in self.units.items()}

    def kept_and_dropped(self, weights: Tensor) -> Tensor:
        """Return (2,): the weight of all widths above 0, and that of 0."""
        own = len(self.widths)
        return torch.stack((weights[:own].sum(), weights[own : own + 1].sum()))

    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Width:
        """Return it as it stands on the `copies` of its nodes."""
        return self if self.gate is None else replace(self, gate=self.gate.moved(copies))

    @property
    def meaning(self) -> str:
        """What its least option makes of it."""
        return f"{self.widths[-1]:g} wide" if self.gate is None else self.gate.meaning


def options_named(widths: Sequence[float], *, droppable: bool) -> tuple[str, ...]:
    """Return the names of options that keep these fractions, and of the one that drops all where there is one."""
    return (*(f"{width:g}" for width in widths), *((NOTHING,) if droppable else ()))


@dataclass(frozen=True)
class Slimmable:
    """A width group that may be narrower."""

    number: int
    group: Group

    @property
    def name(self) -> str:
        """By which the user calls it."""
        return self.group.name + SUFFIX

    @property
    def kind(self) -> str:
        """The kind of what its units are of."""
        return self.group.kind


def kept_units(group: Group, fraction: float, multiple: int = MULTIPLE) -> int:
    """Return how many units of `group` a fraction of it is: whole ones, channels in multiples of `multiple`.

    Heads are counted as they are: a head is what a runtime computes at once.
    """
    if fraction >= 1:
        return group.units
    step = 1 if group.kind == "attention" else multiple // math.gcd(multiple, group.places)
    # Halves go to even, in cells up: tables, and plans of cells, tell fractions alone and were made by these two rules.
    return min(group.units, max(step, step * round(fraction * group.units / step)))


def width_of(
    name: str,
    groups: Mapping[int, Group],
    fractions: Sequence[float] = FRACTIONS,
    multiple: int = MULTIPLE,
    gate: Gate | None = None,
) -> Width | None:
    """Return the choice of the width of `groups`, by number; None where every fraction leaves them whole.

    Fractions that round to what a larger one does are left out.
    """
    found: dict[tuple[int, ...], float] = {}
    for fraction in sorted(fractions, reverse=True):
        found.setdefault(tuple(kept_units(group, fraction, multiple) for group in groups.values()), fraction)
    if len(found) < 2:
        return None
    units = {number: tuple(kept[place] for kept in found) for place, number in enumerate(groups)}
    kind = next(iter(groups.values())).kind
    return Width(name, tuple(found.values()), units, kind, gate)
