"""Where the units of each width group are in a network's tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import fx

from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.group import Group


@dataclass(frozen=True)
class Places:
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

    def touched(self, node: fx.Node) -> frozenset[int]:
        """Return the groups in what `node` reads, holds or gives."""
        if node not in self._touched:
            own = [self.axes.get(one) for one in (node, *node.all_input_nodes)]
            self._touched[node] = _groups_in([*own, *self.held.get(node, {}).values()])
        return self._touched[node]


def _groups_in(axes: Any) -> frozenset[int]:
    if isinstance(axes, Axis):
        return axes.touches
    if isinstance(axes, tuple | list):
        return frozenset().union(*map(_groups_in, axes))
    return frozenset()
