"""Experiments on a run: experiments.json, checked and plotted: scores along λ, relaxed against discrete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from archdial.common.validation import validated
from archdial.report.experiments_file import AtLambda, ExperimentsFile, Relaxed
from archdial.report.palette import INK, NEUTRAL, palette
from archdial.report.result_file import by_accuracy, check_format, within
from archdial.report.style import plain, template
from archdial.report.wording import dial_text, pair_text, score_text, score_title
from archdial.tasks.measure import Measure

FORMAT, VERSION = "archdial.experiments", 1
_COMMAND = "archdial experiments"
_ALONE, _HYPERNETWORK = palette(["alone", "hypernetwork"]).values()


@dataclass(frozen=True)
class Experiments:
    """An experiments file, checked; each list has at least one entry, those along λ by increasing λ.

    Attributes:
        alone: gates optimised for each λ by itself.
        fall: Λ, the λ at which their score has fallen to its least, if it has.
        chance: the score of guessing, where anybody knows it.
        hypernetwork: one hypernetwork over the range of λ.
        relaxed: relaxed against discrete scores.
        mean_difference: of relaxed and discrete scores.
        measure: of the scores.
    """

    alone: tuple[AtLambda, ...]
    fall: float | None
    chance: float | None
    hypernetwork: tuple[AtLambda, ...]
    relaxed: tuple[Relaxed, ...]
    mean_difference: float
    measure: Measure


def read_experiments(experiments_json: Mapping[str, Any]) -> Experiments:
    """Return the numbers of an experiments file.

    Raises:
        UsageError: it is no experiments file, or a value in it is missing or cannot be; the message says which.
    """
    check_format(experiments_json, FORMAT, VERSION, _COMMAND)
    with within("experiments file", _COMMAND):
        file = validated(ExperimentsFile, by_accuracy(dict(experiments_json)))
    return Experiments(
        alone=_along_lambda(file.alone.points),
        fall=file.alone.fall,
        chance=file.alone.chance,
        hypernetwork=_along_lambda(file.hypernetwork.points),
        relaxed=file.relaxed.points,
        mean_difference=file.relaxed.mean_difference,
        measure=file.score,
    )


def lambda_figure(experiments: Experiments) -> go.Figure:
    """Draw the score against λ, for gates alone and for the hypernetwork, with chance and Λ."""
    measure = experiments.measure
    figure = go.Figure(
        [
            _curve(experiments.alone, "gates for each λ alone", _ALONE, "circle", measure),
            _curve(experiments.hypernetwork, "one hypernetwork", _HYPERNETWORK, "square", measure),
            *_bounds(experiments),
        ]
    )
    figure.update_layout(
        template=template(),
        height=460,
        xaxis={"title": "λ", "type": "log", "exponentformat": "power"},
        yaxis={"title": score_title(measure, "on validation"), "rangemode": "tozero"},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def relaxed_figure(experiments: Experiments) -> go.Figure:
    """Draw discrete against relaxed scores, on axes of one scale, with the line on which they are equal."""
    points, measure = experiments.relaxed, experiments.measure
    values = [measure.factor * value for point in points for value in (point.relaxed, point.discrete)]
    # At least a hundredth of room, as all may be the same.
    room = max(0.05 * (max(values) - min(values)), measure.factor / 100)
    ends = [min(values) - room, max(values) + room]
    equal = _line(ends, ends, "equal", "dot")
    dots = go.Scatter(
        x=[measure.factor * point.relaxed for point in points],
        y=[measure.factor * point.discrete for point in points],
        mode="markers",
        name=f"dial positions ({len(points)})",
        marker={"color": _ALONE, "size": 9, "line": {"color": "white", "width": 1}},
        hovertext=[plain(_relaxed_text(point, measure)) for point in points],
        hovertemplate="%{hovertext}<extra></extra>",
    )
    axis = {"range": ends, "constrain": "domain"}
    figure = go.Figure([equal, dots])
    figure.update_layout(
        template=template(),
        height=460,
        xaxis={"title": score_title(measure, "on validation", "relaxed"), **axis},
        yaxis={"title": score_title(measure, "on validation", "discrete"), "scaleanchor": "x", "scaleratio": 1, **axis},
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )
    return figure


def _along_lambda(points: tuple[AtLambda, ...]) -> tuple[AtLambda, ...]:
    return tuple(sorted(points, key=lambda point: point.at))


def _curve(points: tuple[AtLambda, ...], name: str, colour: str, shape: str, measure: Measure) -> go.Scatter:
    return go.Scatter(
        x=[point.at for point in points],
        y=[measure.factor * point.score for point in points],
        mode="lines+markers",
        name=name,
        line={"color": colour, "width": 2},
        marker={"color": colour, "size": 8, "symbol": shape},
        hovertext=[f"{name}, λ {dial_text(point.at)}: {pair_text(point, measure)}" for point in points],
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _bounds(experiments: Experiments) -> list[go.Scatter]:
    """Draw chance as far as λ goes, where it is known, and Λ as high as scores go."""
    points, fall, factor = [*experiments.alone, *experiments.hypernetwork], experiments.fall, experiments.measure.factor
    along = [*(point.at for point in points), *([fall] if fall else [])]
    heights, lines = [factor * point.score for point in points], []
    if experiments.chance is not None:
        heights.append(factor * experiments.chance)
        name = f"chance: {score_text(experiments.chance, experiments.measure)}"
        lines.append(_line([min(along), max(along)], [heights[-1], heights[-1]], name, "dot"))
    if fall:
        top = max(heights)
        lines.append(_line([fall, fall], [0, top], f"Λ = {dial_text(fall)}", "dash"))
    return lines


def _line(x: list[float], y: list[float], name: str, dash: str) -> go.Scatter:
    colour = INK if dash == "dash" else NEUTRAL
    line = {"color": colour, "width": 1.5, "dash": dash}
    return go.Scatter(x=x, y=y, mode="lines", name=name, line=line, hoverinfo="skip")


def _relaxed_text(point: Relaxed, measure: Measure) -> str:
    relaxed, discrete = score_text(point.relaxed, measure), score_text(point.discrete, measure)
    return f"dial {dial_text(point.dial)}: relaxed {relaxed}, discrete {discrete}"
