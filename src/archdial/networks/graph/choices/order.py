"""The order of choices in a space: the order in which their operations first run."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.widths.widths import Widths


def in_order(choices: Sequence[GraphChoice], widths: Widths) -> tuple[GraphChoice, ...]:
    """Return `choices` by the first node that they change; those on the same one as they are."""
    nodes = {node: place for place, node in enumerate(_graph(choices, widths).nodes)}
    first: dict[int, int] = {}
    for node, held in widths.held.items():
        for axes in held.values():
            for group in {group for axis in axes if axis is not None for group in axis.touches}:
                first[group] = min(nodes[node], first.get(group, len(nodes)))

    def place(choice: GraphChoice) -> int:
        own = [nodes[node] for node in (*choice.nodes, *(operation.node for operation in choice.operations))]
        return min([*own, *(first.get(group, len(nodes)) for group in choice.groups)])

    return tuple(sorted(choices, key=place))


def _graph(choices: Sequence[GraphChoice], widths: Widths) -> fx.Graph:
    found = (node for choice in choices for node in (*choice.nodes, *(one.node for one in choice.operations)))
    node = next(iter(widths.held), None) or next(found)
    return node.graph
