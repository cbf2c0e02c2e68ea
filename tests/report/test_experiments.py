"""An experiments file: its numbers, its charts, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from archdial.common.errors import UsageError
from archdial.report.experiments import lambda_figure, read_experiments, relaxed_figure
from archdial.report.page_trials import trial_sections


def test_accuracy_along_lambda(experiments_file: dict[str, Any]) -> None:
    figure = lambda_figure(read_experiments(experiments_file))
    alone, one = figure.data[:2]
    assert figure.layout.xaxis.type == "log"
    assert list(alone.x) == [0.01, 1.0, 10.0] and list(alone.y) == pytest.approx([86, 70, 20])
    assert list(one.x) == [0.01, 10.0] and list(one.y) == pytest.approx([85, 30])
    assert alone.mode == "lines+markers" and alone.line.color != one.line.color
    assert alone.hovertext[1] == "gates for each λ alone, λ 1: 70.00 % at 1.50 ms"


def test_chance_and_the_fall(experiments_file: dict[str, Any]) -> None:
    chance, fall = lambda_figure(read_experiments(experiments_file)).data[2:]
    assert (chance.line.dash, list(chance.x), list(chance.y)) == ("dot", [0.01, 12.5], [10, 10])
    assert (fall.line.dash, list(fall.x), list(fall.y)) == ("dash", [12.5, 12.5], [0, 86])
    assert (chance.name, fall.name) == ("chance: 10.00 %", "Λ = 12.5")


def test_no_line_where_accuracy_did_not_fall(experiments_file: dict[str, Any]) -> None:
    fell = trial_sections(None, read_experiments(experiments_file))
    experiments_file["alone"]["fall"] = None
    experiments = read_experiments(experiments_file)
    traces = lambda_figure(experiments).data
    assert [trace.name for trace in traces[2:]] == ["chance: 10.00 %"]
    assert list(traces[2].x) == [0.01, 10.0]
    assert "separate gates stay at their lowest" in fell
    assert "never drops to chance" in trial_sections(None, experiments)


def test_relaxed_against_discrete_on_equal_axes(experiments_file: dict[str, Any]) -> None:
    figure = relaxed_figure(read_experiments(experiments_file))
    equal, dots = figure.data
    assert list(dots.x) == pytest.approx([80, 70]) and list(dots.y) == pytest.approx([79, 72])
    assert list(dots.hovertext) == [
        "dial 0.1: relaxed 80.00 %, discrete 79.00 %",
        "dial (0.25, 0.75): relaxed 70.00 %, discrete 72.00 %",
    ]
    assert equal.x == equal.y == figure.layout.xaxis.range == figure.layout.yaxis.range
    assert equal.x[0] < 70 and equal.x[1] > 80
    assert (figure.layout.yaxis.scaleanchor, figure.layout.yaxis.scaleratio) == ("x", 1)


def test_equal_points_still_have_an_axis(experiments_file: dict[str, Any]) -> None:
    experiments_file["relaxed"]["points"] = [{"dial": None, "relaxed": 0.5, "discrete": 0.5}]
    assert list(relaxed_figure(read_experiments(experiments_file)).layout.xaxis.range) == [49, 51]


def test_the_mean_difference_is_told_in_points(experiments_file: dict[str, Any]) -> None:
    assert "accuracies is 0.62 points" in trial_sections(None, read_experiments(experiments_file))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, 'format "other".*write one with `archdial experiments`'),
        ({"version": 2}, "version 2"),
        ({"hypernetwork": None}, "hypernetwork is null: expected a section of keys and values"),
        ({"hypernetwork": {"points": []}}, r"hypernetwork.points is \[\]: expected a list of length at least 1"),
        ({"relaxed": {"points": "many", "mean_difference": 0.1}}, 'relaxed.points is "many": expected a list'),
    ],
)
def test_malformed_files_are_refused(experiments_file: dict[str, Any], change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_experiments(experiments_file | change)


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("alone", {"fall": 0}, "fall is 0: expected a number above 0"),
        ("alone", {"fall": "far"}, 'fall is "far": expected a number'),
        ("alone", {"chance": 10}, "chance is 10: expected at most 1"),
        ("alone", {"points": [{"lambda": 0, "accuracy": 0.5, "latency_ms": 1}]}, r"points\[0\].lambda is 0"),
        ("hypernetwork", {"points": [{"lambda": 1, "accuracy": 50, "latency_ms": 1}]}, r"points\[0\].accuracy is 50"),
        ("relaxed", {"mean_difference": None}, "mean_difference is null"),
        ("relaxed", {"points": [{"dial": "left", "relaxed": 0.8, "discrete": 0.8}]}, r'points\[0\].dial is "left"'),
        (
            "relaxed",
            {"points": [{"dial": 1, "relaxed": 80, "discrete": 0.8}]},
            r"points\[0\].relaxed is 80: expected at most 1",
        ),
        ("relaxed", {"points": [{"dial": 1, "relaxed": 0.8}]}, r"points\[0\].discrete is missing"),
    ],
)
def test_malformed_parts_are_named(
    experiments_file: dict[str, Any], part: str, change: dict[str, Any], words: str
) -> None:
    experiments_file[part] |= change
    whole = rf"^experiments file: (the key )?{part}\.{words}.*: write the file again with `archdial experiments`$"
    with pytest.raises(UsageError, match=whole):
        read_experiments(experiments_file)


def test_other_keys_are_left_alone_and_a_dial_is_optional(experiments_file: dict[str, Any]) -> None:
    known = read_experiments(experiments_file)
    experiments_file |= {"sha256": 0}
    experiments_file["alone"]["points"][0]["seconds"] = "many"
    assert read_experiments(experiments_file) == known
    del experiments_file["relaxed"]["points"][0]["dial"], experiments_file["alone"]["fall"]
    experiments = read_experiments(experiments_file)
    assert experiments.relaxed[0].dial is None and experiments.fall is None
