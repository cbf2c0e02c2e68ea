"""Finding the widths of a captured network."""

from __future__ import annotations

import torch

from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.widths import checking
from archdial.networks.graph.widths.grouping import Classes, axes_of, contracted_dims, held_axes, settle
from archdial.networks.graph.widths.rules import follow
from archdial.networks.graph.widths.shapes import shape_of
from archdial.networks.graph.widths.spread import Spread
from archdial.networks.graph.widths.widths import Widths


def find_widths(captured: Captured, streams: bool = False) -> Widths:
    """Find the widths of a network.

    Each node is tried with part of each group cut: where it then gives something else than that part of what it gave,
    the groups that it touches are left out.

    Args:
        streams: groups that layers are normalised over, and dimensions of embeddings, are found too.
    """
    # Labels have values, also of a network that has none: a member is cut from one without memory.
    with torch.device("cpu"):
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
