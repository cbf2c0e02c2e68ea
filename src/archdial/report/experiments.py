"""What was tried on a run: experiments.json checked, and drawn: accuracy along λ, relaxed against discrete."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from archdial.errors import UsageError
from archdial.report.fields import check_format, listed, mapping, number, positive, share, within
from archdial.report.numbers import DialPosition, Point, read_dial, read_point
from archdial.report.palette import INK, NEUTRAL, palette
from archdial.report.style import plain, template
from archdial.report.wording import accuracy_text, dial_text, pair_text

FORMAT, VERSION = "archdial.experiments", 1
_COMMAND = "archdial experiments"
_ALONE, _HYPERNETWORK = palette(["alone", "hypernetwork"]).values()


@dataclass(frozen=True)
class AtLambda(Point):
    """Accuracy on validation images and latency at one λ, which is above 0."""

    at: float


@dataclass(frozen=True)
class Relaxed:
    """Accuracies on validation images of the weighted mixture at a dial position, and of the member there."""

    dial: DialPosition
    relaxed: float
    discrete: float


@dataclass(frozen=True)
class Experiments:
    """An experiments file, checked; each list has at least one entry, those along λ by increasing λ.

    Attributes:
        alone: gates optimised for each λ by itself.
        fall: Λ, the λ at which their accuracy has fallen to its least, if it has.
        chance: the accuracy of guessing.
        hypernetwork: one hypernetwork over the range of λ.
        relaxed: relaxed against discrete accuracy.
        mean_difference: of relaxed and discrete accuracy.
    """

    alone: tuple[AtLambda, ...]
    fall: float | None
    chance: float
    hypernetwork: tuple[AtLambda, ...]
    relaxed: tuple[Relaxed, ...]
    mean_difference: float


def read_experiments(experiments_json: Mapping[str, Any]) -> Experiments:
    """Return the numbers of an experiments file.

    Raises:
        UsageError: it is no experiments file, or a value in it is missing or cannot be; the message says which.
    """
    check_format(experiments_json, FORMAT, VERSION, _COMMAND)
    with within("experiments file", _COMMAND):
        alone, relaxed = (mapping(experiments_json.get(name), name) for name in ("alone", "relaxed"))
        fall, difference = alone.get("fall"), relaxed.get("mean_difference")
        return Experiments(
            alone=_along_lambda(alone, "alone"),
            fall=None if fall is None else positive(fall, "alone.fall"),
            chance=share(alone.get("chance"), "alone.chance"),
            hypernetwork=_along_lambda(mapping(experiments_json.get("hypernetwork"), "hypernetwork"), "hypernetwork"),
            relaxed=tuple(_relaxed(row, f"relaxed.points[{i}]") for i, row in enumerate(_points(relaxed, "relaxed"))),
            mean_difference=number(difference, "relaxed.mean_difference", lowest=-math.inf),
        )


def lambda_figure(experiments: Experiments) -> go.Figure:
    """Draw accuracy (%) against λ, for gates alone and for the hypernetwork, with chance and Λ."""
    figure = go.Figure(
        [
            _curve(experiments.alone, "gates for each λ alone", _ALONE, "circle"),
            _curve(experiments.hypernetwork, "one hypernetwork", _HYPERNETWORK, "square"),
            *_bounds(experiments),
        ]
    )
    figure.update_layout(
        template=template(),
        height=460,
        xaxis={"title": "λ", "type": "log", "exponentformat": "power"},
        yaxis={"title": "accuracy (%, on validation)", "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def relaxed_figure(experiments: Experiments) -> go.Figure:
    """Draw discrete against relaxed accuracy (%), on axes of one scale, with the line on which they are equal."""
    points = experiments.relaxed
    values = [100 * value for point in points for value in (point.relaxed, point.discrete)]
    # At least a point of room, as all may be the same.
    room = max(0.05 * (max(values) - min(values)), 1.0)
    ends = [min(values) - room, max(values) + room]
    equal = _line(ends, ends, "equal", "dot")
    dots = go.Scatter(
        x=[100 * point.relaxed for point in points],
        y=[100 * point.discrete for point in points],
        mode="markers",
        name=f"dial positions ({len(points)})",
        marker={"color": _ALONE, "size": 9, "line": {"color": "white", "width": 1}},
        hovertext=[plain(_relaxed_text(point)) for point in points],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    axis = {"range": ends, "constrain": "domain"}
    figure = go.Figure([equal, dots])
    figure.update_layout(
        template=template(),
        height=460,
        xaxis={"title": "relaxed accuracy (%, on validation)", **axis},
        yaxis={"title": "discrete accuracy (%, on validation)", "scaleanchor": "x", "scaleratio": 1, **axis},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def _points(value: Mapping[str, Any], where: str) -> list[Any]:
    rows = listed(value, "points", f"{where}.points")
    if not rows:
        raise UsageError(f"{where}.points is []: expected at least one point")
    return rows


def _along_lambda(value: Mapping[str, Any], where: str) -> tuple[AtLambda, ...]:
    points = [_at_lambda(row, f"{where}.points[{i}]") for i, row in enumerate(_points(value, where))]
    return tuple(sorted(points, key=lambda point: point.at))


def _at_lambda(row: object, where: str) -> AtLambda:
    value, point = mapping(row, where), read_point(row, where)
    # Above 0, as the axis is logarithmic.
    return AtLambda(point.accuracy, point.latency_ms, positive(value.get("lambda"), f"{where}.lambda"))


def _relaxed(row: object, where: str) -> Relaxed:
    value = mapping(row, where)
    return Relaxed(
        dial=read_dial(value.get("dial"), f"{where}.dial"),
        relaxed=share(value.get("relaxed"), f"{where}.relaxed"),
        discrete=share(value.get("discrete"), f"{where}.discrete"),
    )


def _curve(points: tuple[AtLambda, ...], name: str, colour: str, shape: str) -> go.Scatter:
    return go.Scatter(
        x=[point.at for point in points],
        y=[100 * point.accuracy for point in points],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 8, "symbol": shape},
        hovertext=[f"{name}, λ {dial_text(point.at)}: {pair_text(point)}" for point in points],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _bounds(experiments: Experiments) -> list[go.Scatter]:
    """Draw chance as far as λ goes, and Λ as high as accuracies go."""
    points, fall = [*experiments.alone, *experiments.hypernetwork], experiments.fall
    along = [*(point.at for point in points), *([fall] if fall else [])]
    chance = 100 * experiments.chance
    name = f"chance: {accuracy_text(experiments.chance)} %"
    lines = [_line([min(along), max(along)], [chance, chance], name, "dot")]
    if fall:
        top = max(chance, *(100 * point.accuracy for point in points))
        lines.append(_line([fall, fall], [0, top], f"Λ = {dial_text(fall)}", "dash"))
    return lines


def _line(x: list[float], y: list[float], name: str, dash: str) -> go.Scatter:
    colour = INK if dash == "dash" else NEUTRAL
    line = {"color": colour, "width": 1.5, "dash": dash}
    return go.Scatter(x=x, y=y, mode="lines", name=name, line=line, hoverinfo="skip")


def _relaxed_text(point: Relaxed) -> str:
    relaxed, discrete = accuracy_text(point.relaxed), accuracy_text(point.discrete)
    return f"dial {dial_text(point.dial)}: relaxed {relaxed} %, discrete {discrete} %"
