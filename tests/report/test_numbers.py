"""The numbers of a report against values made by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from archdial.errors import UsageError
from archdial.report.numbers import CellEdge, cells_of, common_provenance, read_member, report_numbers

MEMBER = {
    "dial": 0.5,
    "architecture": {"normal/2<-0": "conv", "normal/2<-1": "none", "stem": "wide"},
    "accuracy": 0.91,
    "latency_ms": 1.25,
    "parameters": 1234,
    "flops": 123456,
    "counts": {"conv": 1, "none": 1},
    "provenance": {"accuracy": "measured", "accuracy_split": "test", "latency_ms": "predicted"},
}


def small_file() -> dict[str, Any]:
    """Members at λ 2, 0.5, 1; the last is dominated."""
    rows = [copy.deepcopy(MEMBER) | change for change in (
        {"dial": 2, "accuracy": 0.8, "latency_ms": 1.0},
        {},
        {"dial": 1, "accuracy": 0.7, "latency_ms": 1.1},
    )]  # fmt: skip
    return {
        "format": "archdial.members",
        "version": 1,
        "dial": {"kind": "scalar"},
        "kinds": ["conv", "none"],
        "members": rows,
    }


def test_numbers_of_a_small_file() -> None:
    numbers = report_numbers(small_file())
    assert numbers.front == (0, 1)
    assert numbers.along_dial() == [1, 2, 0]
    assert [member.dial for member in numbers.members] == [2.0, 0.5, 1.0]
    assert (numbers.corners, numbers.archive, numbers.latency_range) == ((), (), None)


def test_a_front_in_the_file_is_kept_and_sorted_by_latency() -> None:
    assert report_numbers(small_file() | {"front": [1, 2]}).front == (2, 1)


def test_a_member_and_where_its_figures_come_from() -> None:
    member = read_member(MEMBER, "here")
    assert (member.accuracy, member.latency_ms, member.parameters, member.flops) == (0.91, 1.25, 1234, 123456)
    assert member.predicted("latency_ms") and not member.predicted("accuracy") and not member.predicted("flops")
    assert common_provenance([member, member], "accuracy") == "measured on test"
    other = read_member(MEMBER | {"provenance": {}}, "here")
    assert common_provenance([member, other], "accuracy") == ""


def test_cells_are_read_from_the_names_of_choices() -> None:
    assert cells_of(MEMBER["architecture"]) == {"normal": [CellEdge(0, 2, "conv"), CellEdge(1, 2, "none")]}
    assert cells_of({"layer1.0.conv1": "keep"}) == {}


def test_corners_of_a_simplex(simplex_file: dict[str, Any]) -> None:
    assert report_numbers(simplex_file).corners == ("max_pool_3x3", "identity", "sep_conv_3x3")
    simplex_file["dial"]["kinds"] = ["pool", "pass", "conv"]
    assert report_numbers(simplex_file).corners == ("pool", "pass", "conv")
    simplex_file["dial"]["kinds"] = ["one", "two"]
    assert report_numbers(simplex_file).corners == ("S1", "S2", "S3")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "format 'other'"),
        ({"version": 2}, "version 2"),
        ({"members": []}, "no members"),
        ({"members": "many"}, "members is \"many\": expected a list"),
        ({"members": [3]}, r"members\[0\] is 3: expected a JSON object"),
        ({"kinds": None}, "kinds is null"),
        ({"kinds": ["conv", "nome"]}, "did you mean 'nome'"),
        ({"dial": {}}, "dial.kind is None"),
        ({"front": [3]}, "front names member 3"),
        ({"range": {"latency_ms": [1]}}, "range.latency_ms"),
        ({"archive": [{"accuracy": 0.5}]}, r"archive\[0\].latency_ms is None"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        report_numbers(small_file() | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": 91}, "share from 0 to 1"),
        ({"accuracy": None}, "accuracy is None"),
        ({"accuracy": float("nan")}, "finite"),
        ({"latency_ms": -1}, "at least 0"),
        ({"latency_ms": True}, "finite number"),
        ({"parameters": 1.5}, "whole number"),
        ({"flops": "many"}, "finite number"),
        ({"counts": {"conv": -1}}, r"counts\['conv'\]"),
        ({"counts": [1]}, "JSON object"),
        ({"architecture": {"normal/2<-0": 1}}, "expected a text"),
        ({"dial": "left"}, "dial is 'left'"),
        ({"dial": [0.5, "left"]}, "dial is 'left'"),
    ],
)
def test_malformed_members_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_member(MEMBER | change, "members[0]")


def test_mixed_dials_are_refused() -> None:
    value = small_file()
    value["members"][0]["dial"] = [0.5, 0.5]
    with pytest.raises(UsageError, match="one dial"):
        report_numbers(value)
