"""The widths of a captured network: groups of units, and where these stand in all its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import fx

from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.widths import checking, rewriting
from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.group import Group
from archdial.networks.graph.widths.grouping import Classes, axes_of, contracted_dims, held_axes, settle
from archdial.networks.graph.widths.rules import follow
from archdial.networks.graph.widths.shapes import shape_of
from archdial.networks.graph.widths.spread import Spread


@dataclass(frozen=True)
class Widths:
    """Which units there are to cut, and where they stand.

    Attributes:
        groups: in the order in which they run first.
        axes: of what each node gives, Axes; tuples of those, or None, for a node that gives several tensors; nodes
            without any group are absent.
        held: of each call of a module its parameters and buffers by their names in it, only those with a group.
        contracted: of those the dimensions that are summed over; of a weight that a function sums over by "".
        shapes: of what each node gives for one input, shapes or numbers.
    """

    groups: tuple[Group, ...]
    axes: Mapping[fx.Node, Any]
    held: Mapping[fx.Node, Mapping[str, Axes]]
    contracted: Mapping[fx.Node, Mapping[str, tuple[int, ...]]]
    shapes: Mapping[fx.Node, Any]
    _touched: dict[fx.Node, frozenset[int]] = field(default_factory=dict, compare=False, repr=False)

    def arguments(self, node: fx.Node, counts: Sequence[int]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return args and kwargs of `node` where of group g the first counts[g] units are kept.

        Sizes, starts and numbers of groups are those of what stays; nodes among them stay nodes.
        """
        return rewriting.rewritten(self, node, counts)

    def touched(self, node: fx.Node) -> frozenset[int]:
        """Return the groups in what `node` reads, holds or gives."""
        if node not in self._touched:
            own = [self.axes.get(one) for one in (node, *node.all_input_nodes)]
            self._touched[node] = _groups_in([*own, *self.held.get(node, {}).values()])
        return self._touched[node]

    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Widths:
        """Return the widths of a copy of the graph, whose nodes `copies` gives by those they were copied from."""

        def of_copies(known: Mapping[fx.Node, Any]) -> dict[fx.Node, Any]:
            return {copies[node]: one for node, one in known.items() if node in copies}

        return replace(
            self,
            axes=of_copies(self.axes),
            held=of_copies(self.held),
            contracted=of_copies(self.contracted),
            shapes=of_copies(self.shapes),
            _touched={},
        )


def _groups_in(axes: Any) -> frozenset[int]:
    if isinstance(axes, Axis):
        return axes.touches
    if isinstance(axes, tuple | list):
        return frozenset().union(*map(_groups_in, axes))
    return frozenset()


def find_widths(captured: Captured, streams: bool = False) -> Widths:
    """Find the widths of a network.

    Each node is tried with part of each group cut: where it then gives something else than that part of what it gave,
    the groups that it touches are left out.

    Args:
        streams: groups that layers are normalised over, and dimensions of embeddings, are found too.
    """
    spread = Spread(captured, streams)
    follow(spread)
    while True:
        settle(spread)
        classes = Classes(spread)
        widths = _widths(spread, classes)
        broken = checking.broken(captured, widths)
        if not broken:
            return widths
        for group in broken:
            spread.ties.pin_all(classes.ids[group])


def _widths(spread: Spread, classes: Classes) -> Widths:
    nodes = list(spread.captured.graph.nodes)
    axes = {node: axes_of(classes, spread.states[node]) for node in nodes}
    held = {node: held_axes(spread, classes, node) for node in spread.held}
    contracted = {node: contracted_dims(spread, classes, node, held.get(node)) for node in nodes}
    return Widths(
        tuple(classes.groups),
        {node: one for node, one in axes.items() if one is not None},
        {node: one for node, one in held.items() if one},
        {node: one for node, one in contracted.items() if one},
        {node: shape_of(spread.captured.flow[node]) for node in nodes},
    )
