"""No text of a result file gets further than to be read: each field in turn holds markup."""

from __future__ import annotations

import functools
import json
import tempfile
from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest

from archdial.report import page
from archdial.report.page import write_page
from tests.report.reader import Reader

MARKUP = (
    """</script><script>alert(1)</script>--><!--]]>"'><img src=x onerror='alert(1)'>"""
    """<a href="javascript:alert(1)">x</a>javascript:alert(1)\u2028\u2029%{x}&lt;b&gt;[red]"""
)
Files = dict[str, Any]


@pytest.fixture
def files(simplex_file: Files, comparison_file: Files, experiments_file: Files) -> Files:
    """All three files, with few members, so that pages are quick to make."""
    simplex_file["members"] = simplex_file["members"][::5]
    return {"members": simplex_file, "comparison": comparison_file, "experiments": experiments_file}


def set_kind(files: Files) -> None:
    files["members"]["kinds"] = [MARKUP, *files["members"]["kinds"][1:]]
    for member in files["members"]["members"]:
        member["counts"][MARKUP] = member["counts"].pop("max_pool_3x3")


def set_in_members(key: str, change: Callable[[Any], Any]) -> Callable[[Files], None]:
    def make(files: Files) -> None:
        for member in files["members"]["members"]:
            member[key] = change(member[key])

    return make


def set_at(file: str, *path: str | int) -> Callable[[Files], None]:
    def make(files: Files) -> None:
        place = files[file]
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = MARKUP

    return make


SHOWN: dict[str, Callable[[Files], None]] = {
    "data": set_at("members", "data"),
    "device": set_at("members", "device"),
    "seed": set_at("members", "seed"),
    "dial kind": set_at("members", "dial", "kind"),
    "corner": lambda files: files["members"]["dial"].update(kinds=["a", MARKUP, "b"]),
    "kind": set_kind,
    "option": set_in_members("architecture", lambda taken: dict.fromkeys(taken, MARKUP)),
    "cell": set_in_members("architecture", lambda taken: taken | {f"{MARKUP}/2<-0": "identity"}),
    "choice": set_in_members("architecture", lambda taken: taken | {MARKUP: "identity"}),
    "provenance": set_in_members("provenance", lambda how: how | {"latency_ms": MARKUP}),
    "split": set_in_members("provenance", lambda how: how | {"accuracy_split": MARKUP}),
    "version": set_at("members", "versions", "torch"),
    "package": set_at("members", "versions", MARKUP),
    "setting": set_at("members", "config", "network", MARKUP),
    "compared on": set_at("comparison", "accuracy_split"),
    "device of a comparison": set_at("comparison", "device"),
    "full network": set_at("comparison", "full", "name"),
    "method": set_at("comparison", "methods", 0, "name"),
}
NOT_SHOWN = {
    "provenance of nothing": set_in_members("provenance", lambda how: how | {MARKUP: MARKUP}),
    "data of a comparison": set_at("comparison", "data"),
    "seed of experiments": set_at("experiments", "seed"),
    "unknown key": set_at("experiments", MARKUP),
}


@pytest.fixture(scope="module", autouse=True)
def little_script() -> Iterator[None]:
    """Pages without five megabytes of plotly.js: what stands beside it is tested here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "get_plotlyjs", lambda: "plotly.js")
        yield


def read(folder: Path, files: Files) -> tuple[str, Reader]:
    path = write_page(folder / "report.html", files["members"], files["comparison"], files["experiments"])
    text = path.read_text(encoding="utf-8")
    return text, Reader(text)


@functools.cache
def read_once(files: str) -> Reader:
    """What the page of unspoiled files holds."""
    with tempfile.TemporaryDirectory() as folder:
        return read(Path(folder), json.loads(files))[1]


def strings(value: object) -> Iterator[str]:
    """Every text in a JSON value, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *strings(item))
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def written(where: str) -> bool:
    """Tell whether the markup is there, as text: escaped for HTML, after JSON or not."""
    forms = (MARKUP, json.dumps(MARKUP, ensure_ascii=False).strip('"'))
    return any(escape(form, quote=quote) in where for form in forms for quote in (True, False))


@pytest.mark.slow
@pytest.mark.parametrize("field", [*SHOWN, *NOT_SHOWN])
def test_markup_in_any_field_stays_text(tmp_path: Path, files: Files, field: str) -> None:
    plain = read_once(json.dumps(files))
    (SHOWN | NOT_SHOWN)[field](files)
    text, found = read(tmp_path, files)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in plain.tags]
    names = {name for _, attributes in found.tags for name in attributes}
    assert names == {name for _, attributes in plain.tags for name in attributes}
    assert not names & {"src", "href", "action"} and not any(name.startswith("on") for name in names)
    # Only the figures differ among the scripts, and these are data.
    assert [*found.scripts[:1], *found.scripts[2:]] == [*plain.scripts[:1], *plain.scripts[2:]]
    island = found.scripts[1]
    assert island.isascii() and not set("<>&") & set(island)
    # Plotly reads a part of HTML in labels, so markup must arrive there escaped; <b> and <br> are the page's own.
    known = json.loads(island)
    # The dial's script writes names as text, which a browser is asked about in test_browser.
    dial = "\n".join(strings(known.pop("dial")))
    labels = "\n".join(strings(known))
    assert not any(f"<{tag}" in labels for tag in ("img", "a ", "script", "/script", "!--"))
    assert (written(text) or written(labels) or written(dial) or MARKUP in dial) == (field in SHOWN)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["</title>", "javascript:alert(1)", "\x00\x1b[2J", "\u2028", "-->", "[red]", "__proto__"]
)
def test_any_name_makes_a_page(tmp_path: Path, files: Files, name: str) -> None:
    plain = read_once(json.dumps(files))
    files["members"] |= {"data": name, "device": name}
    files["comparison"]["methods"][0]["name"] = files["comparison"]["full"]["name"] = name
    assert [tag for tag, _ in read(tmp_path, files)[1].tags] == [tag for tag, _ in plain.tags]
