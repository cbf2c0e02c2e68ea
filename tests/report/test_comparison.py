"""A comparison file: its numbers, its chart, its table, and what is refused."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest

from archdial.common.errors import UsageError
from archdial.report.comparison import comparison_figure, read_comparison
from archdial.report.page_trials import trial_sections


def rows(value: dict[str, Any]) -> list[list[str]]:
    """The cells of the table, row by row, that of the headings first."""
    text = trial_sections(read_comparison(value), None)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall(r"<tr>(.*?)</tr>", text)]


def test_members_are_chosen_by_validation_and_shown_by_the_split(comparison_file: dict[str, Any]) -> None:
    comparison = read_comparison(comparison_file)
    ours = comparison.methods[0]
    assert [member.latency_ms for member in ours.members] == [1.0, 1.5, 2.0]
    assert ours.curve == (0, 2)
    stairs, members = comparison_figure(comparison).data[:2]
    assert stairs.line.shape == "hv"
    # The chart ends at the slowest of all, 3.2 ms.
    assert list(stairs.x) == [1.0, 2.0, 3.2]
    assert list(stairs.y) == pytest.approx([80, 84, 84])
    assert list(members.x) == [1.0, 1.5, 2.0]
    assert list(members.y) == pytest.approx([80, 83, 84])
    assert list(members.marker.symbol) == ["circle", "circle-open", "circle"]
    assert members.hovertext[0] == "hypernetwork: 80.00 % at 1.00 ms, 82.00 % on validation, 12.3 k parameters"


def test_at_each_budget_the_staircase_is_the_member_that_validation_chooses(comparison_file: dict[str, Any]) -> None:
    dice, names = random.Random(0), ("latency_ms", "accuracy", "validation_accuracy")
    members = [{name: dice.random() for name in names} | {"parameters": 1} for _ in range(40)]
    comparison_file["methods"][0]["members"] = members
    stairs = comparison_figure(read_comparison(comparison_file)).data[0]
    fastest = min(member["latency_ms"] for member in members)
    for budget in (fastest + i * (1 - fastest) / 200 for i in range(201)):
        affordable = [member for member in members if member["latency_ms"] <= budget]
        chosen = max(affordable, key=lambda member: member["validation_accuracy"])
        step = max(i for i, x in enumerate(stairs.x) if x <= budget)
        assert stairs.y[step] == pytest.approx(100 * chosen["accuracy"])


def test_of_networks_as_drawn_the_slowest_within_a_budget_counts(comparison_file: dict[str, Any]) -> None:
    comparison_file["methods"][0]["chosen_by"] = "latency_ms"
    assert read_comparison(comparison_file).methods[0].curve == (0, 1, 2)
    comparison_file["methods"][0]["chosen_by"] = "luck"
    with pytest.raises(UsageError, match=r"chosen_by 'luck': known: validation_accuracy, latency_ms"):
        read_comparison(comparison_file)


def test_methods_differ_in_colour_shape_and_legend(comparison_file: dict[str, Any]) -> None:
    figure = comparison_figure(read_comparison(comparison_file))
    stairs, members = figure.data[0:6:2], figure.data[1:6:2]
    named = ["hypernetwork (area 0.500)", "random (area 0.400)", "greedy (area 0.450)"]
    assert [trace.name for trace in members] == named
    assert len({trace.marker.color for trace in members}) == len({trace.marker.symbol[0] for trace in members}) == 3
    assert [trace.line.color for trace in stairs] == [trace.marker.color for trace in members]
    assert figure.layout.xaxis.title.text == "latency (ms, measured)"
    assert figure.layout.yaxis.title.text == "accuracy (%, measured on test)"


def test_the_full_network_is_a_star_on_a_dotted_line(comparison_file: dict[str, Any]) -> None:
    line, star = comparison_figure(read_comparison(comparison_file)).data[-2:]
    assert (line.line.dash, list(line.x), list(line.y)) == ("dot", [0, 3.2], [87, 87])
    assert (star.marker.symbol, list(star.x), list(star.y)) == ("star", [3.0], [87])
    assert star.name == "the untouched network: 87.00 % at 3.00 ms"


def test_table_holds_areas_and_their_ratio_to_random(comparison_file: dict[str, Any]) -> None:
    assert rows(comparison_file) == [
        ["method", "evaluations", "hypervolume", "area", "area relative to random", "best accuracy %"],
        ["hypernetwork", "200", "0.400", "0.500", "1.250", "84.00"],
        ["random", "200", "0.300", "0.400", "1.000", "81.00"],
        ["greedy", "200", "0.350", "0.450", "1.125", "86.00"],
    ]


def test_without_random_there_is_no_ratio(comparison_file: dict[str, Any]) -> None:
    del comparison_file["methods"][1]
    assert [row[4] for row in rows(comparison_file)] == ["best accuracy %", "84.00", "86.00"]


def test_a_method_that_found_nothing(comparison_file: dict[str, Any]) -> None:
    comparison_file["methods"][1] |= {"members": [], "area": 0.0}
    # An older file has no hypervolumes.
    del comparison_file["methods"][1]["hypervolume"]
    assert rows(comparison_file)[1:3] == [
        ["hypernetwork", "200", "0.400", "0.500", "–", "84.00"],
        ["random", "200", "–", "0.000", "–", "–"],
    ]
    stairs, members = comparison_figure(read_comparison(comparison_file)).data[2:4]
    assert len(stairs.x) == len(members.x) == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "archdial.members"}, 'format "archdial.members".*write one with `archdial compare`'),
        ({"version": 2}, "version 2"),
        ({"methods": []}, r"methods is \[\]: expected a list of length at least 1"),
        ({"methods": None}, "methods is null: expected a list"),
        ({"accuracy_split": None}, "accuracy_split is null: expected a string"),
        ({"full": 3}, "full is 3: expected a section of keys and values"),
        ({"full": {"name": "whole", "accuracy": 0.5}}, "the key full.latency_ms is missing"),
    ],
)
def test_malformed_files_are_refused(comparison_file: dict[str, Any], change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_comparison(comparison_file | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": 3}, "name is 3: expected a string"),
        ({"evaluations": 1.5}, "evaluations is 1.5: expected a whole number"),
        ({"area": 71}, "area is 71: expected at most 1"),
        ({"hypervolume": 1.2}, "hypervolume is 1.2: expected at most 1"),
        ({"members": [{"latency_ms": 1.0}]}, r"members\[0\].accuracy is missing"),
        ({"members": [{"latency_ms": 1, "accuracy": 0.5}]}, r"members\[0\].validation_accuracy is missing"),
        (
            {"members": [{"latency_ms": 1, "accuracy": 0.5, "validation_accuracy": 0.5}]},
            r"members\[0\].parameters is missing",
        ),
    ],
)
def test_malformed_methods_are_named(comparison_file: dict[str, Any], change: dict[str, Any], words: str) -> None:
    comparison_file["methods"][1] |= change
    whole = rf"^comparison file: (the key )?methods\[1\]\.{words}.*: write the file again with `archdial compare`$"
    with pytest.raises(UsageError, match=whole):
        read_comparison(comparison_file)


@pytest.mark.slow
def test_limits_are_told(comparison_file: dict[str, Any]) -> None:
    methods = comparison_file["methods"]
    with pytest.raises(UsageError, match=r"methods is .*: expected a list of length at most 1,000"):
        read_comparison(comparison_file | {"methods": methods * 400})
    methods[0]["members"] = methods[0]["members"][:1] * 60_000
    with pytest.raises(UsageError, match="methods have 120,002 members in total: expected at most 100,000"):
        read_comparison(comparison_file | {"methods": [methods[0], methods[0], methods[1]]})


def test_other_keys_are_left_alone_and_whole_numbers_may_be_floats(comparison_file: dict[str, Any]) -> None:
    known = read_comparison(comparison_file)
    comparison_file |= {"reference": [], "sha256": 0}
    comparison_file["methods"][0] |= {"evaluations": 200.0, "seconds": 3}
    assert read_comparison(comparison_file) == known
