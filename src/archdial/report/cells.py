"""The cells of one member, drawn as arcs between numbered nodes."""

from __future__ import annotations

import math
from itertools import islice
from typing import Any

import plotly.graph_objects as go

from archdial.report.numbers import CellEdge, ReportNumbers, cells_of
from archdial.report.palette import CLOUD, INK, NEUTRAL, palette
from archdial.report.points import MemberNumbers
from archdial.report.style import plain, template

_ABSENT = ("none", "zero")
_ARC_POINTS = 17
_CELLS = 100
"""Most cells that are drawn; each has axes of its own."""

_GAP = 0.12
"""Share of a cell's height that its title takes."""


def cells_figure(numbers: ReportNumbers, member: MemberNumbers) -> go.Figure | None:
    """Draw each cell of `member`, one below the other; None where its architecture has no cells.

    Data flow from left to right. Each edge is an arc with its operation at the top, so that the labels of any
    two edges lie apart; edges that contribute nothing are left out; grey arcs below lead to the output.
    """
    cells = dict(islice(cells_of(member.architecture).items(), _CELLS))
    if not cells:
        return None
    colours = palette(numbers.kinds)
    traces: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for row, (name, edges) in enumerate(cells.items(), start=1):
        axes = {"xaxis": f"x{row}", "yaxis": f"y{row}"}
        traces += [trace | axes for trace in _cell_traces(edges, colours)]
        notes.append(_title(name, 1 - (row - 1) / len(cells)))
        notes += [_label(edge, row, colours) for edge in _drawn(edges)]
    # All at once: adding to a figure one by one takes plotly time that grows with the square.
    return go.Figure(traces, {"annotations": notes, **_layout(len(cells))})


def _layout(rows: int) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "template": template(),
        "height": 370 * rows,
        "showlegend": False,
        "margin": {"l": 20, "r": 20, "t": 10, "b": 10},
    }
    for row in range(1, rows + 1):
        top, bottom = 1 - (row - 1 + _GAP) / rows, 1 - row / rows
        layout[f"xaxis{row}"] = {"visible": False, "fixedrange": True, "anchor": f"y{row}"}
        layout[f"yaxis{row}"] = {"visible": False, "fixedrange": True, "domain": [max(bottom, 0.0), top]}
    return layout


def _cell_traces(edges: list[CellEdge], colours: dict[str, str]) -> list[dict[str, Any]]:
    labels = _node_labels(edges)
    ends = sorted({edge.node for edge in edges}) if labels[-1] == "out" else []
    outputs = [_arc(node, len(labels) - 1, CLOUD, height=-0.35) for node in ends]
    arcs = [_arc(e.source, e.node, colours.get(e.operation, NEUTRAL)) for e in _drawn(edges)]
    return [*outputs, *arcs, _nodes(labels)]


def _drawn(edges: list[CellEdge]) -> list[CellEdge]:
    return [edge for edge in edges if edge.operation not in _ABSENT]


def _node_labels(edges: list[CellEdge]) -> list[str]:
    """Name the nodes; a cell with two inputs ends, as in DARTS, in the concatenation of its other nodes."""
    last = max(edge.node for edge in edges)
    inputs = set(range(last + 1)) - {edge.node for edge in edges}
    labels = [f"in {node}" if node in inputs else str(node) for node in range(last + 1)]
    return [*labels, "out"] if len(inputs) == 2 else labels


def _arc(source: int, node: int, colour: str, height: float = 1.0) -> dict[str, Any]:
    angles = [math.pi * i / (_ARC_POINTS - 1) for i in range(_ARC_POINTS)]
    middle, half = (source + node) / 2, (node - source) / 2
    return {
        "type": "scatter",
        "x": [round(middle - half * math.cos(angle), 3) for angle in angles],
        "y": [round(2 * half * height * math.sin(angle), 3) for angle in angles],
        "mode": "lines",
        "line": {"color": colour, "width": 2.5 if height > 0 else 1.2, "shape": "spline"},
        "hoverinfo": "skip",
    }


def _nodes(labels: list[str]) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": list(range(len(labels))),
        "y": [0] * len(labels),
        "mode": "markers+text",
        "text": labels,
        "textfont": {"size": 12, "color": INK},
        "marker": {"size": 32, "color": "white", "line": {"color": INK, "width": 1.5}},
        "hoverinfo": "skip",
    }


def _title(name: str, top: float) -> dict[str, Any]:
    return {
        "text": f"<b>{plain(name)}</b> cell",
        "xref": "paper",
        "yref": "paper",
        "x": 0.5,
        "y": top,
        "yanchor": "top",
        "showarrow": False,
        "font": {"size": 15},
    }


def _label(edge: CellEdge, row: int, colours: dict[str, str]) -> dict[str, Any]:
    return {
        "text": plain(edge.operation),
        "xref": f"x{row}",
        "yref": f"y{row}",
        "x": (edge.source + edge.node) / 2,
        "y": edge.node - edge.source,
        "showarrow": False,
        "font": {"size": 11, "color": INK},
        "bgcolor": "white",
        "bordercolor": colours.get(edge.operation, NEUTRAL),
        "borderwidth": 1.5,
        "borderpad": 2,
    }
