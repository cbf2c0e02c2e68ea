"""From ties to groups: tensors whose units stand along one dimension each, and classes that run the same way."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx

from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.group import STREAM, Group
from archdial.networks.graph.widths.labels import Labels, labelled
from archdial.networks.graph.widths.spread import Out, Spread
from archdial.networks.graph.widths.ties import core, first_along


def settle(spread: Spread) -> None:
    """Tie until each layer varies along one dimension: what stays of a tensor is then a block of it."""
    changes = -1
    while changes != spread.ties.changes:
        changes = spread.ties.changes
        for labels in _all(spread):
            for layer in labelled(spread.ties, labels.shape, labels.layers).layers:
                own = spread.ties.varying(layer)
                if len(own) > 1:
                    spread.ties.tie_along(layer, own - {_carrier(layer, own)})


def _carrier(layer: Tensor, own: frozenset[int]) -> int:
    """Return the dimension along which `layer` varies most."""

    def distinct(dimension: int) -> int:
        ids = core(first_along(layer, own - {dimension})).unique()
        return int((ids != 0).sum())

    return max(sorted(own), key=distinct)


def _all(spread: Spread) -> Iterator[Labels]:
    for state in spread.states.values():
        yield from _flat(state)
    yield from spread.beside


def _flat(state: Any) -> Iterator[Labels]:
    if isinstance(state, Labels):
        yield state
    elif isinstance(state, tuple | list):
        for one in state:
            yield from _flat(one)


class Classes:
    """Which classes of ids make which groups.

    Attributes:
        groups: in the order in which they run first.
        ids: of each group the roots of its units, in their order.
    """

    def __init__(self, spread: Spread) -> None:
        self._spread, self._known = spread, {}
        signatures = self._signatures()
        kinds = _kinds(spread)
        self.groups: list[Group] = []
        self.ids: list[list[int]] = []
        self._group = np.full(len(spread.ties), -1)
        self._unit = np.zeros(len(spread.ties), dtype=np.int64)
        self._left: set[int] = set()
        for out in spread.outs:
            self._take(out, signatures, kinds)
        self._name_members()

    _known: dict[bytes, Axis | None]

    def axes(self, labels: Labels) -> Axes | None:
        """Return the axes of a tensor, or None where no group is in it."""
        found: list[Axis | None] = [None] * len(labels.shape)
        for layer in labelled(self._spread.ties, labels.shape, labels.layers).layers:
            (dimension,) = self._spread.ties.varying(layer) or (None,)
            if dimension is not None:
                found[dimension] = self.axis(core(layer).flatten())
        return tuple(found) if any(found) else None

    def axis(self, ids: Tensor | None) -> Axis | None:
        """Return the axis of places with `ids` (n,), or None where no group is in it; like axes are one object."""
        if ids is None:
            return None
        roots = self._spread.ties.roots(ids).numpy()
        key = roots.tobytes()
        if key not in self._known:
            groups = self._group[roots]
            axis = Axis(tuple(groups.tolist()), tuple(np.where(groups < 0, 0, self._unit[roots]).tolist()))
            self._known[key] = axis if axis.touches else None
        return self._known[key]

    def _take(self, out: Out, signatures: np.ndarray[Any, Any], kinds: dict[int, str]) -> None:
        roots = self._spread.ties.roots(out.ids).tolist()
        alike: dict[tuple[str, int], list[int]] = {}
        for root in dict.fromkeys(roots):
            kind = kinds.get(root, out.kind)
            if not root or self._group[root] >= 0 or root in self._left:
                continue
            if kind == STREAM and not self._spread.streams:
                self._left.add(root)
            elif kind == STREAM or out.kind != STREAM:
                # A table of biases for heads is no layer that they come from.
                alike.setdefault((kind, int(signatures[root])), []).append(root)
        for (kind, _), units in alike.items():
            if len(units) > 1:
                self._add(Group(self._new(out.name), kind, len(units), roots.count(units[0]), ()), units)

    def _add(self, group: Group, units: list[int]) -> None:
        self._group[units], self._unit[units] = len(self.groups), np.arange(len(units))
        self.groups.append(group)
        self.ids.append(units)

    def _new(self, name: str) -> str:
        taken = {group.name for group in self.groups}
        names = (name if number == 1 else f"{name}#{number}" for number in range(1, len(taken) + 2))
        return next(one for one in names if one not in taken)

    def _name_members(self) -> None:
        names = _names(self._spread)
        members: list[dict[str, None]] = [{} for _ in self.groups]
        for tensor, _, ids in self._spread.known():
            axis = self.axis(ids)
            for group in axis.touches if axis else ():
                members[group][names.get(id(tensor), "")] = None
        pairs = zip(self.groups, members, strict=True)
        self.groups = [Group(g.name, g.kind, g.units, g.places, tuple(filter(None, own))) for g, own in pairs]

    def _signatures(self) -> np.ndarray[Any, Any]:
        """Return of each class a number that tells in which dimensions of which tensors it stands, and how often."""
        result = np.zeros(len(self._spread.ties), dtype=np.uint64)
        draw = random.Random(0)
        for ids in self._vectors():
            values, counts = np.unique(self._spread.ties.roots(ids).numpy(), return_counts=True)
            result[values] += np.uint64(draw.getrandbits(64)) * counts.astype(np.uint64)
        return result

    def _vectors(self) -> Iterator[Tensor]:
        for _, _, ids in self._spread.known():
            yield ids
        for labels in _all(self._spread):
            for layer in labelled(self._spread.ties, labels.shape, labels.layers).layers:
                yield core(layer).flatten()


def _kinds(spread: Spread) -> dict[int, str]:
    found = {}
    for kind, ids in spread.marked.items():
        for root in spread.ties.roots(torch.cat(ids)).unique().tolist():
            found[root] = kind
    return found


def _names(spread: Spread) -> dict[int, str]:
    root = spread.captured.root
    return {id(tensor): name for name, tensor in [*root.named_buffers(), *root.named_parameters()]}


def axes_of(classes: Classes, state: Any) -> Any:
    """Return axes in the form in which a node gives tensors; None where there are none."""
    if isinstance(state, Labels):
        return classes.axes(state)
    if isinstance(state, tuple | list):
        found = tuple(axes_of(classes, one) for one in state)
        return found if any(one is not None for one in found) else None
    return None


def held_axes(spread: Spread, classes: Classes, node: fx.Node) -> dict[str, Axes]:
    """Return the axes of what the module that `node` calls holds, by name, where there is a group."""
    found: dict[str, Axes] = {}
    for name, tensor in spread.held.get(node, {}).items():
        axes = tuple(classes.axis(ids) for ids in spread.along(tensor))
        if any(axes):
            found[name] = axes
    return found


def contracted_dims(
    spread: Spread, classes: Classes, node: fx.Node, held: dict[str, Axes] | None
) -> dict[str, tuple[int, ...]]:
    """Return the dimensions with a group that `node` sums over, by the names of its parameters; of a weight by ""."""
    found: dict[str, Sequence[int]] = {}
    for name, axes in (held or {}).items():
        found[name] = [d for d in spread.contracted.get(node, {}).get(name, ()) if axes[d] is not None]
    known = [ids for source, ids in spread.summed if source is node]
    if known:
        summed = {frozenset(spread.ties.roots(ids).tolist()) for ids in known}
        along = enumerate(spread.along(spread.parameter(node)))
        found[""] = [d for d, ids in along if _is_among(spread, classes, ids, summed)]
    return {name: tuple(sorted(dims)) for name, dims in found.items() if dims}


def _is_among(spread: Spread, classes: Classes, ids: Tensor | None, summed: set[frozenset[int]]) -> bool:
    if ids is None or classes.axis(ids) is None:
        return False
    return frozenset(spread.ties.roots(ids).tolist()) in summed
