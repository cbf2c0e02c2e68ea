"""The charts of a report as plotly figures: the front, and the operations along the dial."""

from __future__ import annotations

import plotly.graph_objects as go

from archdial.report.numbers import ReportNumbers
from archdial.report.palette import ALONG, CLOUD, FRONT, corner_colours, member_colours, palette
from archdial.report.points import MemberNumbers
from archdial.report.style import plain, template
from archdial.report.ternary import ternary_counts
from archdial.report.wording import axis_titles, dial_name, dial_text, figure_text, score_of
from archdial.tasks.measure import Measure

_LABELS = 12
"""Most labels on an axis along the dial; more would overlap."""

_TRIANGLES = 60
"""Most triangles of one chart; each takes a browser as long as a chart."""


def front_figure(numbers: ReportNumbers) -> go.Figure:
    """Draw the score against latency (ms): archive cloud, members coloured by dial, Pareto staircase."""
    latency, score = map(plain, axis_titles(numbers))
    figure = go.Figure()
    if numbers.archive:
        figure.add_trace(_cloud(numbers))
    figure.add_trace(_staircase(numbers))
    figure.add_trace(_members(numbers))
    figure.add_traces(_corner_legend(numbers))
    figure.update_layout(
        template=template(),
        height=500,
        xaxis_title=latency,
        yaxis_title=score,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def counts_figure(numbers: ReportNumbers) -> go.Figure:
    """Draw how often members take each kind: one triangle a kind over a dial of three corners, else bars."""
    on_simplex = all(isinstance(member.dial, tuple) for member in numbers.members)
    triangles = on_simplex and len(numbers.corners) == 3 and 0 < len(numbers.kinds) <= _TRIANGLES
    return ternary_counts(numbers) if triangles else counts_bars(numbers)


def counts_bars(numbers: ReportNumbers) -> go.Figure:
    """Draw one stacked bar a member, by increasing dial position (by latency where that has no order)."""
    order = numbers.along_dial()
    members = [numbers.members[i] for i in order]
    hover = [plain(_hover(member, numbers)) for member in members]
    bars = [
        go.Bar(
            x=list(range(len(members))),
            y=[member.counts.get(kind, 0) for member in members],
            name=plain(kind),
            marker={"color": colour, "line": {"color": "white", "width": 0.5}},
            hovertext=hover,
            hovertemplate="%{hovertext}<br>%{y} operations of this kind",
        )
        for kind, colour in palette(numbers.kinds).items()
    ]
    figure = go.Figure(bars)
    figure.update_layout(
        template=template(),
        barmode="stack",
        bargap=0.08,
        height=420,
        xaxis=_dial_axis(numbers, members),
        yaxis={"title": "operations (count)"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
    )
    return figure


def _cloud(numbers: ReportNumbers) -> go.Scatter:
    return go.Scatter(
        x=[round(point.latency_ms, 6) for point in numbers.archive],
        y=[round(numbers.measure.factor * point.score, 4) for point in numbers.archive],
        mode="markers",
        name=f"all evaluated, on validation ({len(numbers.archive)})",
        marker={"color": CLOUD, "size": 5, "opacity": 0.7},
        hoverinfo="skip",
    )


def _staircase(numbers: ReportNumbers) -> go.Scatter:
    front = [numbers.members[i] for i in numbers.front]
    return go.Scatter(
        x=[member.latency_ms for member in front],
        y=[numbers.measure.factor * member.score for member in front],
        mode="lines",
        name=f"Pareto front ({len(front)})",
        line={"color": FRONT, "width": 1.5, "shape": "hv"},
        hoverinfo="skip",
    )


def _members(numbers: ReportNumbers) -> go.Scatter:
    return go.Scatter(
        x=[member.latency_ms for member in numbers.members],
        y=[numbers.measure.factor * member.score for member in numbers.members],
        mode="markers",
        name=f"members ({len(numbers.members)})",
        marker={
            "color": member_colours(numbers),
            "size": 11,
            "line": {"color": "white", "width": 1},
            **_scale(numbers),
        },
        showlegend=not numbers.corners,
        hovertext=[plain(_hover(member, numbers)) for member in numbers.members],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _scale(numbers: ReportNumbers) -> dict[str, object]:
    """A colour bar beside members that are already coloured: the two ends and the middle of a scalar dial."""
    values = sorted({m.dial for m in numbers.members if isinstance(m.dial, float)})
    if len(values) < 2:
        return {}
    places = sorted({0, (len(values) - 1) // 2, len(values) - 1})
    return {
        "cmin": 0,
        "cmax": len(values) - 1,
        "colorscale": [[i / (len(ALONG) - 1), colour] for i, colour in enumerate(ALONG)],
        "showscale": True,
        "colorbar": {
            "title": {"text": dial_name(numbers.dial_kind)},
            "tickvals": places,
            "ticktext": [dial_text(values[place]) for place in places],
            "thickness": 12,
            "len": 0.9,
            "outlinewidth": 0,
        },
    }


def _corner_legend(numbers: ReportNumbers) -> list[go.Scatter]:
    """Name the colours of a simplex dial's corners, of which its members are mixed."""
    return [
        go.Scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=plain(f"member, S on {corner}"),
            marker={"color": colour, "size": 11},
        )
        for corner, colour in zip(numbers.corners, corner_colours(numbers), strict=True)
    ]


def _dial_axis(numbers: ReportNumbers, members: list[MemberNumbers]) -> dict[str, object]:
    scalar = all(isinstance(member.dial, float) for member in members)
    step = -(-len(members) // _LABELS)
    shown = list(range(0, len(members), step))
    texts = [_tick(members[i], numbers.measure) for i in shown]
    title = f"members by dial position {dial_name(numbers.dial_kind)}" if scalar else "members by latency (ms)"
    return {"title": title, "tickvals": shown, "ticktext": texts, "showgrid": False}


def _tick(member: MemberNumbers, measure: Measure) -> str:
    return f"{member.dial:.3g}" if isinstance(member.dial, float) else figure_text(member, "latency_ms", measure)


def _hover(member: MemberNumbers, numbers: ReportNumbers) -> str:
    measure = numbers.measure
    return (
        f"{dial_name(numbers.dial_kind)} {dial_text(member.dial)}: "
        f"{score_of(member, measure)}, {figure_text(member, 'latency_ms', measure)} ms, "
        f"{figure_text(member, 'parameters', measure)} parameters"
    )
