"""Values at their bounds and files at their limits still make a page and a picture."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from archdial.report import page
from archdial.report.comparison import comparison_figure, read_comparison
from archdial.report.numbers import report_numbers
from archdial.report.page import page_html, write_page
from archdial.report.picture import write_front_picture
from tests.report.reader import Reader

Files = dict[str, Any]
LOW, HIGH = {"accuracy": 0, "latency_ms": 0}, {"accuracy": 1, "latency_ms": 1e9}


@pytest.fixture(scope="module", autouse=True)
def little() -> Iterator[None]:
    """Pages without five megabytes of plotly.js, and pictures of few pixels: what is drawn is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", lambda: "plotly.js")
        patch.setitem(matplotlib.rcParams, "savefig.dpi", 30)
        yield


def charts(folder: Path, members: Files, **more: Files) -> Any:
    """The figures of the page, all their numbers finite; a picture, which shows members alone, is drawn as well."""
    if not more:
        write_front_picture(folder / "front.png", members)
    text = write_page(folder / "report.html", members, **more).read_text(encoding="utf-8")
    assert not re.search(r"\b(nan|inf)\b", text)
    return json.loads(Reader(text).scripts[1], parse_constant=pytest.fail)


def without_cells(members: Files, first: int = 0) -> None:
    """Let there be nothing to draw of any member from the `first` on: a figure of cells takes long, and is the same."""
    for member in members["members"][first:]:
        member["architecture"] = {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        LOW,
        HIGH,
        {"accuracy": 0.5, "latency_ms": 5e-324},
        {"parameters": 2**60, "flops": 2**60},
        {"parameters": 0, "flops": 0, "counts": {}},
        {"counts": {"identity": 2**60}},
        {"dial": 0},
        {"dial": -1e308},
        {"dial": [0, 0, 0]},
        {"dial": [5e-324, 5e-324, 0]},
        {"dial": [1e30, 1e30, 1e30]},
        {"dial": []},
        {"dial": [1]},
        {"dial": [0.001] * 1000},
    ],
)
@pytest.mark.parametrize("count", [1, 4])
def test_members_that_are_alike(tmp_path: Path, scalar_file: Files, change: Files, count: int) -> None:
    scalar_file["members"] = [member | change for member in scalar_file["members"][:count]]
    without_cells(scalar_file, 1)
    stairs, members = charts(tmp_path, scalar_file)["charts"]["front"]["data"][1:3]
    assert members["name"] == f"members ({count})"
    assert len(set(stairs["x"])) == len(stairs["x"])


@pytest.mark.slow
def test_members_that_are_as_far_apart_as_can_be(tmp_path: Path, scalar_file: Files) -> None:
    rows = scalar_file["members"]
    rows[0] |= {"dial": -1e308, "counts": {"identity": 2**60}, **LOW}
    rows[1] |= {"dial": 1e308, "counts": {}, **HIGH}
    scalar_file |= {"archive": [LOW, HIGH], "range": {"latency_ms": [0, 1e9]}}
    assert set(charts(tmp_path, scalar_file)["charts"]) == {"front", "counts"}


@pytest.mark.slow
def test_no_kinds(tmp_path: Path, simplex_file: Files) -> None:
    simplex_file["kinds"] = []
    for member in simplex_file["members"]:
        member["counts"] = {}
    assert charts(tmp_path, simplex_file)["charts"]["counts"]["data"] == []


@pytest.mark.slow
def test_a_thousand_kinds(tmp_path: Path, simplex_file: Files) -> None:
    kinds = [f"kind {i}" for i in range(1000)]
    simplex_file |= {"kinds": kinds, "members": simplex_file["members"][:3]}
    for member in simplex_file["members"]:
        member["counts"] = dict.fromkeys(kinds, 1)
    data = charts(tmp_path, simplex_file)["charts"]["counts"]["data"]
    assert [trace["name"] for trace in data] == kinds


@pytest.mark.slow
def test_twenty_thousand_members(scalar_file: Files) -> None:
    row = scalar_file["members"][0]
    scalar_file["members"] = [row | {"dial": i / 7, "architecture": {}} for i in range(20_000)]
    assert page_html(report_numbers(scalar_file)).count("<tr") >= 20_001


@pytest.mark.slow
def test_cells_are_drawn_of_as_many_members_as_a_page_has_room_for(tmp_path: Path, scalar_file: Files) -> None:
    row = scalar_file["members"][0]
    row["architecture"] |= {f"choice {i}": "identity" for i in range(1000 - len(row["architecture"]))}
    scalar_file["members"] = [row | {"accuracy": i / 25, "latency_ms": i} for i in range(25)]
    # Of 1,000 choices ten members at most: every third, the most accurate among them.
    assert list(charts(tmp_path, scalar_file)["cells"]) == [str(i) for i in range(0, 25, 3)]


@pytest.mark.slow
def test_cells_have_a_limit(tmp_path: Path, scalar_file: Files) -> None:
    scalar_file["members"] = scalar_file["members"][:1]
    scalar_file["members"][0]["architecture"] = {f"cell {i}/2<-0": "identity" for i in range(10_000)}
    (figure,) = charts(tmp_path, scalar_file)["cells"].values()
    assert sum(name.startswith("xaxis") for name in figure["layout"]) == 100


@pytest.mark.slow
@pytest.mark.parametrize("full", [LOW, HIGH])
@pytest.mark.parametrize("members", [[LOW], [HIGH], [LOW, HIGH], [LOW, LOW], []])
def test_methods(tmp_path: Path, scalar_file: Files, comparison_file: Files, full: Files, members: list[Files]) -> None:
    without_cells(scalar_file)
    comparison_file["full"] |= full
    for method in comparison_file["methods"]:
        rows = [row | {"validation_accuracy": row["accuracy"], "parameters": 2**60} for row in members]
        method |= {"members": rows, "area": full["accuracy"], "evaluations": 0, "name": "random"}
    assert "comparison" in charts(tmp_path, scalar_file, comparison=comparison_file)["charts"]


@pytest.mark.slow
def test_a_thousand_methods(comparison_file: Files) -> None:
    method = comparison_file["methods"][0]
    comparison_file["methods"] = [method | {"name": f"method {i}"} for i in range(1000)]
    assert len(comparison_figure(read_comparison(comparison_file)).data) == 2002


@pytest.mark.slow
@pytest.mark.parametrize("values", [[5e-324], [1e30], [5e-324, 1e30], [1, 1]])
def test_experiments(tmp_path: Path, scalar_file: Files, experiments_file: Files, values: list[float]) -> None:
    without_cells(scalar_file)
    points = [{"lambda": value, **end} for value, end in zip(values, (LOW, HIGH), strict=False)]
    experiments_file["alone"] = {"points": points, "fall": values[-1], "chance": 1}
    experiments_file["hypernetwork"] = {"points": points}
    pairs = [{"dial": None, "relaxed": 0, "discrete": 1}, {"dial": [1e30] * 1000, "relaxed": 0, "discrete": 0}]
    experiments_file["relaxed"] = {"points": pairs, "mean_difference": -1}
    assert "lambda" in charts(tmp_path, scalar_file, experiments=experiments_file)["charts"]
