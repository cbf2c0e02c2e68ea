"""The style shared by all plotly figures of a report."""

from __future__ import annotations

import html
from typing import Any

import plotly.graph_objects as go

from archdial.report.palette import INK

_GRID = "#E8EAEE"


def template() -> go.layout.Template:
    """Return a plain white template; much smaller in a file than those that plotly ships."""
    axis = {
        "gridcolor": _GRID,
        "linecolor": "#9AA0AA",
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "showline": True,
        "automargin": True,
        "title": {"standoff": 10},
    }
    layout: dict[str, Any] = {
        "font": {"family": "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 13, "color": INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": axis,
        "yaxis": axis,
        "margin": {"l": 70, "r": 30, "t": 70, "b": 60},
        "hoverlabel": {"bgcolor": "white", "font": {"color": INK}},
    }
    return go.layout.Template(layout=layout)


def plain(text: str) -> str:
    """Return `text` such that plotly shows it as it is: plotly reads its labels as a subset of HTML."""
    return html.escape(text, quote=False)
