"""The numbers of a report against values made by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from archdial.common.errors import UsageError
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
    assert (member.score, member.latency_ms, member.parameters, member.flops) == (0.91, 1.25, 1234, 123456)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, 'format "other".*write one with `archdial evaluate`'),
        ({"version": 2}, "version 2"),
        ({"members": []}, "members file is empty"),
        ({"members": "many"}, "members is \"many\": expected a list"),
        ({"members": [3]}, r"members\[0\] is 3: expected a section of keys and values"),
        ({"kinds": None}, "kinds is null"),
        ({"kinds": ["conv", "nome"]}, "did you mean 'nome'"),
        ({"dial": {}}, "the key dial.kind is missing"),
        ({"kinds": ["conv", "none", "conv"]}, "kinds names 'conv' twice"),
        ({"kinds": ["conv"] * 1001}, "kinds is .*: expected a list of length at most 1,000"),
        ({"front": [3]}, "front refers to member 3"),
        ({"front": [-1]}, r"front\[0\] is -1: expected at least 0"),
        ({"range": {"latency_ms": [1]}}, r"range.latency_ms is \[1.0\]: expected \[lowest, highest\] in ms"),
        ({"range": {"latency_ms": [3, 1]}}, r"range.latency_ms is \[3.0, 1.0\]: expected \[lowest, highest\] in ms"),
        ({"archive": [{"accuracy": 0.5}]}, r"the key archive\[0\].latency_ms is missing"),
        ({"archive": [{"accuracy": 0, "latency_ms": 1}] * 100_001}, "archive is .*: expected a list.*at most 100,000"),
        ({"seed": [1]}, r"seed is \[1\]: expected a whole number or a string"),
        ({"device": "x" * 10_001}, r"device is \"x{56}\.\.\.: expected a string of length at most 10,000"),
        ({"config": {"name": "\ud800"}}, "it is not JSON"),
    ],
)  # fmt: skip
def test_malformed_files_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        report_numbers(small_file() | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"accuracy": 91}, "accuracy is 91: expected at most 1"),
        ({"accuracy": None}, "accuracy is null: expected a number"),
        ({"accuracy": float("nan")}, "finite"),
        ({"latency_ms": -1}, "at least 0"),
        ({"latency_ms": True}, "latency_ms is true: expected a number"),
        ({"parameters": 1.5}, "whole number"),
        ({"latency_ms": 2e9}, "at most"),
        ({"flops": "many"}, 'flops is "many": expected a whole number'),
        ({"counts": {"conv": -1}}, "counts.conv is -1: expected at least 0"),
        ({"counts": [1]}, "expected a section of keys and values"),
        ({"counts": {f"kind {i}": 1 for i in range(1001)}}, "counts is"),
        ({"counts": {"x" * 9000: 1}}, r"counts\.x{57}\.\.\."),
        ({"architecture": {"stem": ""}}, "expected a non-empty string"),
        ({"architecture": {"normal/2<-0": 1}}, "expected a string"),
        ({"dial": "left"}, 'dial is "left": expected a number or a list'),
        ({"dial": [0.5, "left"]}, r'dial is \[0.5, "left"\]'),
        ({"dial": [0.5, -0.5]}, "dial is"),
        ({"dial": [0.5] * 1001}, "of length at most 1,000"),
    ],
)
def test_malformed_members_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        read_member(MEMBER | change, "members[0]")


def test_whole_numbers_may_be_written_as_floats() -> None:
    change = {"parameters": 1234.0, "flops": 1e6, "counts": {"conv": 2.0}, "accuracy": 1}
    member = read_member(MEMBER | change, "here")
    assert (member.parameters, member.flops, member.counts, member.score) == (1234, 1_000_000, {"conv": 2}, 1.0)
    assert report_numbers(small_file() | {"front": [1.0, 0.0], "seed": 3.0}).seed == "3"


def test_of_a_member_only_its_figures_are_needed() -> None:
    needed = ("accuracy", "latency_ms", "parameters", "flops")
    member = read_member({name: MEMBER[name] for name in needed}, "here")
    assert (member.dial, member.architecture, member.counts, member.provenance) == (None, {}, {}, {})


def test_other_keys_are_left_alone() -> None:
    value = small_file()
    known = report_numbers(value)
    value |= {"on": None, "sha256": "0" * 64, "dial": value["dial"] | {"low": [1]}, "range": {"flops": "many"}}
    value["members"][0] |= {"peak_bytes": None, "own": {"a": 1}}
    assert report_numbers(value) == known


def test_more_counts_than_a_page_can_hold_are_refused() -> None:
    value = small_file()
    value |= {"members": value["members"][:1] * 1001, "kinds": ["conv", "none", *map(str, range(998))]}
    with pytest.raises(UsageError, match="members are 1,001, of 1,000 kinds: expected at most 1,000,000 counts"):
        report_numbers(value)


def test_a_file_of_wrong_rows_is_refused_at_the_first() -> None:
    value = small_file()
    value["members"] = [MEMBER | {"accuracy": 91}] * 50_000
    with pytest.raises(UsageError, match=r"^members file: members\[0\].accuracy is 91.*`archdial evaluate`$"):
        report_numbers(value)


def test_node_numbers_that_no_cell_has_are_left_out() -> None:
    assert cells_of({"normal/1000000000<-0": "conv", "normal/²<-0": "conv"}) == {}


def test_mixed_dials_are_refused() -> None:
    value = small_file()
    value["members"][0]["dial"] = [0.5, 0.5]
    with pytest.raises(UsageError, match="expected the same length for all"):
        report_numbers(value)
