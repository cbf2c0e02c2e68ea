"""The page is one file, whole, and safe whatever the names in it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from plotly.offline import get_plotlyjs

from archdial.common.errors import UsageError
from archdial.report.page import write_page
from tests.report.reader import Reader

HOSTILE = '</script><script>alert("x")</script><img src="http://evil.example/x.png">'


def page(folder: Path, value: dict[str, Any], **more: dict[str, Any]) -> str:
    return write_page(folder / "report.html", value, **more).read_text(encoding="utf-8")


def test_one_file_without_outside_resources(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    text = page(tmp_path, scalar_file)
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert text.count(get_plotlyjs()) == 1
    own = text.replace(get_plotlyjs(), "")
    assert "http:" not in own and "https:" not in own
    assert not any(name in attributes for _, attributes in Reader(own).tags for name in ("src", "href"))
    assert "default-src 'none'" in own


@pytest.mark.slow
def test_a_browser_is_told_to_run_these_scripts_only(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    text = page(tmp_path, scalar_file)
    (allowed,) = re.findall("script-src (.*?);", text)
    # The policy is for what stands between the tags, to the letter; the second script is data, which does not run.
    scripts = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    digests = [b64encode(sha256(script.encode()).digest()).decode() for script in scripts]
    assert allowed.split() == [f"'sha256-{digest}'" for digest in digests] and len(digests) == 2
    assert text.count("<script") == 3


@pytest.mark.slow
def test_page_holds_the_charts_and_a_cell_figure_a_front_member(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    text = page(tmp_path, scalar_file)
    island = json.loads(Reader(text).scripts[1])
    assert set(island["charts"]) == {"front", "counts"}
    options = re.findall(r'<option value="(\d+)"', text)
    assert list(island["cells"]) == options
    assert all(f'id="{name}"' in text for name in ("front", "counts", "cells", "member", "figures"))


def test_table_shows_and_sorts_by_the_figures(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    scalar_file["members"][0] |= {"accuracy": 0.9123, "latency_ms": 1.234, "parameters": 12345}
    text = page(tmp_path, scalar_file)
    assert '<td data-value="0.9123">91.23</td><td data-value="1.234">~1.23</td>' in text
    assert '<td data-value="12345">12.3 k</td>' in text
    assert text.count("<tr") == 1 + len(scalar_file["members"])


def test_table_shows_scores_after_training_of_a_refined_family(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    assert "trained %</button>" not in page(tmp_path, scalar_file)
    scalar_file["members"][0]["after_training"] = {"accuracy": 0.9345, "provenance": "predicted"}
    text = page(tmp_path, scalar_file)
    assert (
        "trained %</button>" in text
        and '<td data-value="0.9345">~93.45</td>' in text
        and "after individual training" in text
    )
    assert text.count('<td data-value="0.0">–</td>') == len(scalar_file["members"]) - 1


@pytest.mark.slow
def test_bottom_tells_the_run(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    text = page(tmp_path, scalar_file)
    assert "torch 2.13.0" in text and "2 CPU cores, ONNX Runtime, batch 1" in text
    assert "<dt>seed</dt><dd>0</dd>" in text and "&quot;epochs&quot;: 20" in text


@pytest.mark.slow
def test_hostile_names_stay_text(tmp_path: Path, simplex_file: dict[str, Any]) -> None:
    plain = Reader(page(tmp_path, simplex_file))
    simplex_file["kinds"] = [HOSTILE, *simplex_file["kinds"][1:]]
    for member in simplex_file["members"]:
        member["counts"][HOSTILE] = member["counts"].pop("max_pool_3x3")
        member["architecture"] = {
            name: HOSTILE if option == "max_pool_3x3" else option for name, option in member["architecture"].items()
        }
    for key in ("data", "device", "seed"):
        simplex_file[key] = HOSTILE
    simplex_file["versions"][HOSTILE] = HOSTILE
    simplex_file["config"][HOSTILE] = HOSTILE
    read = Reader(page(tmp_path, simplex_file))
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in plain.tags]
    island = read.scripts[1]
    assert "<" not in island
    # Plotly reads labels as HTML, so the names must arrive there escaped as well; those of the dial are text.
    drawn = {name: figures for name, figures in json.loads(island).items() if name != "dial"}
    assert "<img" not in json.dumps(drawn)


def test_comparison_and_experiments_get_sections_with_their_charts(
    tmp_path: Path,
    scalar_file: dict[str, Any],
    comparison_file: dict[str, Any],
    experiments_file: dict[str, Any],
) -> None:
    text = page(tmp_path, scalar_file, comparison=comparison_file, experiments=experiments_file)
    island = json.loads(Reader(text).scripts[1])
    assert set(island["charts"]) == {"front", "counts", "comparison", "lambda", "relaxed"}
    assert all(f'<div id="{name}"></div>' in text for name in island["charts"])
    titles = re.findall("<h2>(.*?)</h2>", text)
    at = titles.index("Against baselines")
    assert titles[at : at + 3] == ["Against baselines", "Along λ; relaxed and discrete", "Members"]


@pytest.mark.slow
def test_a_page_differs_by_these_sections_only(
    tmp_path: Path, scalar_file: dict[str, Any], comparison_file: dict[str, Any]
) -> None:
    bare, more = page(tmp_path, scalar_file), page(tmp_path, scalar_file, comparison=comparison_file)
    bare_titles, titles = (re.findall("<h2>(.*?)</h2>", text) for text in (bare, more))
    assert [title for title in titles if title != "Against baselines"] == bare_titles
    without = re.sub(r"\n<section><h2>Against baselines.*?</section>", "", more, flags=re.DOTALL)
    island = re.compile('<script type="application/json".*?</script>', re.DOTALL)
    assert island.sub("", without) == island.sub("", bare) != island.sub("", more)


@pytest.mark.slow
def test_hostile_names_in_a_comparison_stay_text(
    tmp_path: Path, scalar_file: dict[str, Any], comparison_file: dict[str, Any]
) -> None:
    plain = Reader(page(tmp_path, scalar_file, comparison=comparison_file))
    for key in ("device", "accuracy_split", "data", "seed"):
        comparison_file[key] = HOSTILE
    comparison_file["full"]["name"] = HOSTILE
    comparison_file["methods"][2]["name"] = HOSTILE
    text = page(tmp_path, scalar_file, comparison=comparison_file)
    read = Reader(text)
    assert "&lt;img" in text.replace(get_plotlyjs(), "")
    assert [tag for tag, _ in read.tags] == [tag for tag, _ in plain.tags]
    island = read.scripts[1]
    assert "evil.example" in island and "<" not in island
    # Names, hover texts and axis titles alike.
    assert "<img" not in island.replace("\\u003c", "<")


@pytest.mark.slow
def test_hostile_texts_in_experiments_are_not_shown(
    tmp_path: Path, scalar_file: dict[str, Any], experiments_file: dict[str, Any]
) -> None:
    bare = page(tmp_path, scalar_file, experiments=experiments_file)
    for key in ("device", "data", "seed", "config", "versions"):
        experiments_file[key] = HOSTILE
    assert page(tmp_path, scalar_file, experiments=experiments_file) == bare


@pytest.mark.parametrize("name", ["comparison", "experiments"])
def test_a_malformed_file_beside_the_members_leaves_no_page(
    tmp_path: Path, scalar_file: dict[str, Any], name: str
) -> None:
    with pytest.raises(UsageError, match=f"expected 'archdial.{name}'"):
        write_page(tmp_path / "report.html", scalar_file, **{name: {}})
    assert not list(tmp_path.iterdir())


def test_a_page_without_cells_has_no_picker(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    for member in scalar_file["members"]:
        member["architecture"] = {"layer1.0.conv1": "keep"}
    assert 'id="member"' not in page(tmp_path, scalar_file)


@pytest.mark.slow
def test_same_file_same_page(tmp_path: Path, simplex_file: dict[str, Any]) -> None:
    assert page(tmp_path / "a", simplex_file) == page(tmp_path / "b", simplex_file)


def test_malformed_files_leave_no_page(tmp_path: Path, scalar_file: dict[str, Any]) -> None:
    scalar_file["members"][2]["accuracy"] = 93.4
    with pytest.raises(UsageError, match=r"members\[2\].accuracy is 93.4"):
        write_page(tmp_path / "report.html", scalar_file)
    assert not list(tmp_path.iterdir())
