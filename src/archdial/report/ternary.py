"""Operation counts over a simplex dial with three corners, one triangle per kind."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from archdial.report.numbers import ReportNumbers
from archdial.report.palette import blend, ink_on, palette
from archdial.report.style import plain, template
from archdial.report.wording import dial_text

_PER_ROW = 3
_NUMBERED = 66
"""Most members whose count is written into the marker; a simplex grid of step 0.1 has 66."""


def ternary_counts(numbers: ReportNumbers) -> go.Figure:
    """Draw, for each kind, the dial positions S in a triangle, darker where more operations are of that kind.

    Every member needs a dial position of three entries.
    """
    kinds = numbers.kinds
    columns = min(len(kinds), _PER_ROW)
    rows = -(-len(kinds) // columns)
    figure = make_subplots(
        rows=rows,
        cols=columns,
        specs=[[{"type": "ternary"}] * columns for _ in range(rows)],
        horizontal_spacing=0.09,
        subplot_titles=[f"<b>{plain(kind)}</b> (count)" for kind in kinds],
    )
    for place, (kind, colour) in enumerate(palette(kinds).items()):
        figure.add_trace(_triangle(numbers, kind, colour), row=place // columns + 1, col=place % columns + 1)
    figure.update_layout(template=template(), height=350 * rows + 40, showlegend=False)
    figure.update_layout(margin={"l": 50, "r": 50, "t": 80, "b": 60})
    figure.update_ternaries(**_axes(numbers.corners))
    figure.update_annotations(yshift=34, font_size=14)
    return figure


def _triangle(numbers: ReportNumbers, kind: str, colour: str) -> go.Scatterternary:
    positions = [member.dial if isinstance(member.dial, tuple) else (0.0,) * 3 for member in numbers.members]
    counts = [member.counts.get(kind, 0) for member in numbers.members]
    highest = max(*counts, 1)
    fills = [blend(["#FFFFFF", colour], [1 - count / highest, count / highest]) for count in counts]
    return go.Scatterternary(
        a=[position[0] for position in positions],
        b=[position[1] for position in positions],
        c=[position[2] for position in positions],
        mode="markers+text" if len(counts) <= _NUMBERED else "markers",
        text=[str(count) for count in counts],
        textfont={"size": 10, "color": [ink_on(fill) for fill in fills]},
        marker={
            "size": 19 if len(counts) <= _NUMBERED else 9,
            "color": fills,
            "line": {"color": colour, "width": 1},
        },
        hovertext=[f"S {dial_text(position)}: {count}" for position, count in zip(positions, counts, strict=True)],
        hovertemplate="%{hovertext}<extra></extra>",
        cliponaxis=False,
    )


def _axes(corners: tuple[str, ...]) -> dict[str, Any]:
    axes: dict[str, Any] = {"bgcolor": "white"}
    # Line breaks, and at the top ticks that no one sees, keep the names clear of the markers in the corners.
    titles = [plain(corners[0]), *(f"<br>{plain(corner)}" for corner in corners[1:])]
    for axis, title in zip(("aaxis", "baxis", "caxis"), titles, strict=True):
        axes[axis] = {
            "title": {"text": title, "font": {"size": 11}},
            "showticklabels": False,
            "ticks": "",
            "gridcolor": "#E8EAEE",
            "linecolor": "#9AA0AA",
            "nticks": 6,
        }
    axes["caxis"] |= {"ticks": "outside", "ticklen": 12, "tickcolor": "rgba(0,0,0,0)"}
    return axes
