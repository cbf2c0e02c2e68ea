"""Pages of the site that are not in docs/, and links that work both in the repository and on the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.docs.hooks import HOME, hook

PAGES = [HOME / "README.md", HOME / "CONTRIBUTING.md", HOME / "CHANGELOG.md", *sorted((HOME / "docs").glob("*.md"))]
ALL = [*PAGES, HOME / "benchmarks" / "RESULTS.md"]


@pytest.mark.parametrize(
    ("page", "link", "expected"),
    [
        ("index.md", "docs/tasks.md", "tasks.md"),
        ("index.md", "LICENSE", "licence.md"),
        ("index.md", "examples", "examples/index.md"),
        ("index.md", "benchmarks/RESULTS.md", "results.md"),
        ("changelog.md", "docs/data.md#what-changed", "data.md#what-changed"),
        ("search.md", "../benchmarks/RESULTS.md#front", "results.md#front"),
        ("search.md", "refine.md", "refine.md"),
        ("tasks.md", "../examples/detection.py", "examples/detection.md"),
        ("tasks.md", "../examples/by_feature/gates.py", "examples/by_feature/gates.md"),
        ("tasks.md", "../examples/by_feature", "examples/index.md"),
        ("examples/index.md", "../bridges.md", "../bridges.md"),
        ("examples/bridges/trainer.md", "../../docs/tasks.md", "../../tasks.md"),
        ("results.md", "../docs/costs.md", "costs.md"),
        ("examples/detection.md", "../docs/tasks.md", "../tasks.md"),
        ("cost_tables.md", "../src/archdial/cost/table/table.schema.json", "table.schema.json"),
        ("search.md", "#limits", "#limits"),
        ("search.md", "https://pytorch.org/docs", "https://pytorch.org/docs"),
        # Not on the site, so it stays as it is, and the strict build refuses it.
        ("search.md", "../src/archdial/space.py", "../src/archdial/space.py"),
    ],
)
def test_links(page: str, link: str, expected: str) -> None:
    assert hook("pages").relocated(link, page) == expected


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_links_lead_to_files_of_the_repository(page: Path) -> None:
    """The site checks its own links; a code host checks none."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        path = link.partition("#")[0]
        if path and "://" not in path:
            assert (page.parent / path).exists(), f"{page.name}: {link}"


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_nested_lists_are_indented_by_four(page: Path) -> None:
    """With fewer spaces, they are nested on a code host and not on the site."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    assert re.findall(r"^ {1,3}(?:[-*+]|\d+\.) .*", text, flags=re.M) == []


def test_what_is_not_in_docs_is_there_whole() -> None:
    generated = hook("pages").generated()
    assert generated["index.md"] == (HOME / "README.md").read_text(encoding="utf-8")
    assert (HOME / "LICENSE").read_text(encoding="utf-8") in generated["licence.md"]


def test_each_example_has_a_page_and_is_listed_with_its_first_line() -> None:
    pages = hook("pages")
    generated, index = pages.generated(), pages.generated()["examples/index.md"]
    kept = leaves(pages.with_examples(yaml.safe_load((HOME / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]))
    scripts = [path.relative_to(HOME / "examples") for path in (HOME / "examples").rglob("*.py")]
    # The script among the notebooks only runs them.
    scripts = [path for path in scripts if path.parent.name != "notebooks"]
    assert {path.parent.as_posix() for path in scripts} == {".", "by_feature", "bridges"}
    for script in scripts:
        page, text = script.with_suffix(".md").as_posix(), (HOME / "examples" / script).read_text(encoding="utf-8")
        what, _, command = text.splitlines()[0].strip('"').partition(": ")
        assert text in generated[f"examples/{page}"] and f"    {command}\n" in generated[f"examples/{page}"]
        assert f"]({page}): {what[0].lower()}{what[1:]}\n" in index
        assert kept.count(f"examples/{page}") == 1


def test_the_navigation_leaves_nothing_out() -> None:
    nav = yaml.safe_load((HOME / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    pages = hook("pages")
    kept, listed = set(leaves(pages.with_examples(nav))), set(leaves(nav))
    assert listed - kept == set()
    assert {path.name for path in (HOME / "docs").glob("*.md")} <= kept


def leaves(nav: list[object]) -> list[str]:
    """Return the pages in a navigation."""
    found: list[str] = []
    for entry in nav:
        if isinstance(entry, str):
            found.append(entry)
        elif isinstance(entry, dict):
            for what in entry.values():
                found += [what] if isinstance(what, str) else leaves(what)
    return found
