"""A run against baselines: comparison.json, checked, and each method's score plotted against its latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from archdial.common.metrics import pareto_front
from archdial.common.validation import validated
from archdial.report.comparison_file import Compared, ComparisonFile, MethodFile
from archdial.report.palette import INK, palette
from archdial.report.points import Point
from archdial.report.result_file import by_accuracy, check_format, within
from archdial.report.style import plain, template
from archdial.report.wording import pair_text, score_text, score_title, short_count
from archdial.tasks.measure import Measure

FORMAT, VERSION = "archdial.comparison", 1
_COMMAND = "archdial compare"
# A shape for each method as well, for those who see no colours.
_SHAPES = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "hexagon")


@dataclass(frozen=True)
class Method:
    """What one method found.

    Attributes:
        evaluations: how many architectures it evaluated.
        area: mean of its curve's score over budgets from 0 to the full network's latency.
        hypervolume: of its members, as a share of the box of the full network's latency; None in an older file.
        members: by increasing latency; may be empty.
        curve: indices of the members that are the best at some budget, by increasing latency.
    """

    name: str
    evaluations: int
    area: float
    hypervolume: float | None
    members: tuple[Compared, ...]
    curve: tuple[int, ...]

    @property
    def best(self) -> Compared | None:
        """The member that is chosen where the budget is no bound."""
        return self.members[self.curve[-1]] if self.curve else None


@dataclass(frozen=True)
class Comparison:
    """A comparison file, checked.

    Attributes:
        split: the images of the scores.
        device: the device of the latencies, in words.
        full_name: what the full network is called.
        methods: at least one.
        measure: of the scores.
    """

    split: str
    device: str
    full_name: str
    full: Point
    methods: tuple[Method, ...]
    measure: Measure

    def area_to_random(self, method: Method) -> float | None:
        """Return the area of `method` by that of random search; None where there is none to divide by."""
        random = next((other.area for other in self.methods if other.name == "random"), 0.0)
        return method.area / random if random else None


def read_comparison(comparison_json: Mapping[str, Any]) -> Comparison:
    """Return the numbers of a comparison file.

    Raises:
        UsageError: it is no comparison file, or a value in it is missing or cannot be; the message says which.
    """
    check_format(comparison_json, FORMAT, VERSION, _COMMAND)
    with within("comparison file", _COMMAND):
        file = validated(ComparisonFile, by_accuracy(dict(comparison_json)))
    return Comparison(
        split=file.split,
        device=file.device or "",
        full_name=file.full.name,
        full=file.full,
        methods=tuple(_method(method, file.score) for method in file.methods),
        measure=file.score,
    )


def comparison_figure(comparison: Comparison) -> go.Figure:
    """Draw the score against latency (ms): a staircase and its members for each method, and the full network."""
    colours = palette([method.name for method in comparison.methods])
    points = [comparison.full, *(member for method in comparison.methods for member in method.members)]
    end = max(point.latency_ms for point in points)
    traces: list[go.Scatter] = []
    measure = comparison.measure
    for place, method in enumerate(comparison.methods):
        colour, shape = colours[method.name], _SHAPES[place % len(_SHAPES)]
        traces += [_staircase(method, colour, end, measure), _members(method, colour, shape, measure)]
    figure = go.Figure([*traces, *_full(comparison, end)])
    figure.update_layout(
        template=template(),
        height=500,
        xaxis={"title": "latency (ms, measured)", "rangemode": "tozero"},
        yaxis={"title": plain(score_title(measure, f"measured on {comparison.split}"))},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def _method(file: MethodFile, measure: Measure) -> Method:
    members = tuple(sorted(file.members, key=lambda member: member.latency_ms))
    curve = _chosen(members, file.chosen_by, measure)
    return Method(file.name, file.evaluations, file.area, file.hypervolume, members, curve)


def _chosen(members: Sequence[Compared], by: str, measure: Measure) -> tuple[int, ...]:
    """Return what counts at some budget, as the area was taken: the images of the split only judge."""
    costs = [member.latency_ms for member in members]
    merits = [measure.merit(member.validation) for member in members]
    return tuple(pareto_front(costs, costs if by == "latency_ms" else merits))


def _staircase(method: Method, colour: str, end: float, measure: Measure) -> go.Scatter:
    """Draw the score at each budget, which holds up to `end`, the right edge of the chart."""
    chosen = [method.members[i] for i in method.curve]
    last = chosen[-1:]
    return go.Scatter(
        x=[*(member.latency_ms for member in chosen), *(end for _ in last)],
        y=[measure.factor * member.score for member in [*chosen, *last]],
        mode="lines",
        line={"color": colour, "width": 2, "shape": "hv"},
        legendgroup=plain(method.name),
        showlegend=False,
        hoverinfo="skip",
    )


def _members(method: Method, colour: str, shape: str, measure: Measure) -> go.Scatter:
    """Draw the members, filled where they are the best at some budget."""
    curve = set(method.curve)
    shapes = [shape if i in curve else f"{shape}-open" for i in range(len(method.members))]
    return go.Scatter(
        x=[member.latency_ms for member in method.members],
        y=[measure.factor * member.score for member in method.members],
        mode="markers",
        name=plain(f"{method.name} (area {method.area:.3f})"),
        marker={"color": colour, "size": 9, "symbol": shapes},
        legendgroup=plain(method.name),
        hovertext=[plain(f"{method.name}: {_figures(member, measure)}") for member in method.members],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _figures(member: Compared, measure: Measure) -> str:
    return (
        f"{pair_text(member, measure)}, {score_text(member.validation, measure)} on validation, "
        f"{short_count(member.parameters)} parameters"
    )


def _full(comparison: Comparison, end: float) -> list[go.Scatter]:
    full, group = comparison.full, "full network"
    label = plain(f"{comparison.full_name}: {pair_text(full, comparison.measure)}")
    height = comparison.measure.factor * full.score
    line = go.Scatter(
        x=[0, end],
        y=[height, height],
        mode="lines",
        line={"color": INK, "width": 1.2, "dash": "dot"},
        legendgroup=group,
        showlegend=False,
        hoverinfo="skip",
    )
    star = go.Scatter(
        x=[full.latency_ms],
        y=[height],
        mode="markers",
        name=label,
        marker={"color": INK, "size": 15, "symbol": "star"},
        legendgroup=group,
        hovertext=[label],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    return [line, star]
