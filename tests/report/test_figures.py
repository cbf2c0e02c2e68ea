"""What the charts hold: the values, the colours and the labels."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from archdial.report.cells import cells_figure
from archdial.report.figures import counts_figure, front_figure
from archdial.report.numbers import report_numbers
from archdial.report.palette import blend, member_colours, palette, shade


def test_front_has_units_cloud_staircase_and_members(scalar_file: dict[str, Any]) -> None:
    numbers = report_numbers(scalar_file)
    figure = front_figure(numbers)
    cloud, stairs, members = figure.data
    assert len(cloud.x) == 150
    assert stairs.line.shape == "hv" and len(stairs.x) == len(numbers.front)
    assert list(members.y) == pytest.approx([100 * m.score for m in numbers.members])
    assert figure.layout.xaxis.title.text == "latency (ms, predicted)"
    assert figure.layout.yaxis.title.text == "accuracy (%, measured on test)"


def test_bars_follow_the_dial(scalar_file: dict[str, Any]) -> None:
    scalar_file["members"].reverse()
    figure = counts_figure(report_numbers(scalar_file))
    assert [bar.name for bar in figure.data] == scalar_file["kinds"]
    by_dial = [member["counts"]["identity"] for member in reversed(scalar_file["members"])]
    assert list(figure.data[1].y) == by_dial
    assert len(figure.layout.xaxis.ticktext) <= 12


def test_three_corners_give_a_triangle_for_each_kind(simplex_file: dict[str, Any]) -> None:
    figure = counts_figure(report_numbers(simplex_file))
    assert [trace.type for trace in figure.data] == ["scatterternary"] * 3
    assert list(figure.data[2].text) == [str(m["counts"]["sep_conv_3x3"]) for m in simplex_file["members"]]
    assert list(figure.data[0].a) == [m["dial"][0] for m in simplex_file["members"]]


def test_any_other_simplex_gives_bars(simplex_file: dict[str, Any]) -> None:
    for member in simplex_file["members"]:
        member["dial"] = [1 - member["dial"][0], member["dial"][0]]
    figure = counts_figure(report_numbers(simplex_file))
    assert {trace.type for trace in figure.data} == {"bar"}
    assert figure.layout.xaxis.title.text == "members by latency (ms)"


def test_cells_show_each_operation_but_none(scalar_file: dict[str, Any]) -> None:
    scalar_file["members"][0]["architecture"]["normal/2<-0"] = "none"
    numbers = report_numbers(scalar_file)
    figure = cells_figure(numbers, numbers.members[0])
    assert figure is not None
    texts = [note.text for note in figure.layout.annotations]
    taken = scalar_file["members"][0]["architecture"].values()
    titles = ["<b>normal</b> cell", "<b>reduction</b> cell"]
    assert sorted(texts) == sorted([*titles, *(option for option in taken if option != "none")])
    assert figure.layout.annotations[1].bordercolor == palette(numbers.kinds)[texts[1]]


def test_kinds_and_architecture_alone_decide_over_the_drawing_of_cells(scalar_file: dict[str, Any]) -> None:
    """So that tests of pages may draw equal cells once."""
    numbers = report_numbers(scalar_file)
    member = numbers.members[0]
    bare = replace(numbers, **{one.name: None for one in fields(numbers) if one.name != "kinds"})
    alone = replace(member, **{one.name: None for one in fields(member) if one.name != "architecture"})
    assert cells_figure(bare, alone) == cells_figure(numbers, member) != cells_figure(numbers, numbers.members[-1])


def test_architectures_without_cells_have_no_cell_figure(scalar_file: dict[str, Any]) -> None:
    scalar_file["members"][0]["architecture"] = {"layer1.0.conv1": "keep"}
    numbers = report_numbers(scalar_file)
    assert cells_figure(numbers, numbers.members[0]) is None


def test_colours() -> None:
    colours = palette(["none", *(f"kind {i}" for i in range(8))])
    assert len(set(colours.values())) == 9
    assert palette(["kind 0"])["kind 0"] == colours["kind 0"]
    assert blend(["#000000", "#FF0080"], [0.5, 0.5]) == "#800040"
    assert blend(["#000000"], [0.0]) == "#8A8F98"
    assert (shade(0.0), shade(1.0)) == ("#2B2D8F", "#F0A03C")


def test_members_at_the_corners_have_the_colours_of_the_kinds(simplex_file: dict[str, Any]) -> None:
    numbers = report_numbers(simplex_file)
    places = [[m["dial"] for m in simplex_file["members"]].index(c) for c in ([1, 0, 0], [0, 1, 0], [0, 0, 1])]
    assert [member_colours(numbers)[place] for place in places] == list(palette(numbers.kinds).values())
