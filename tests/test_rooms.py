"""The plan of the house holds: imports point one way, nothing goes in circles, functions and files stay small."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from statistics import median

import grimp
import pytest
from importlinter.cli import lint_imports

HOME = Path(__file__).parents[1]
SOURCES = sorted((HOME / "src" / "archdial").rglob("*.py"))
PAGES = [HOME / "README.md", *sorted((HOME / "docs").glob("*.md"))]


def test_the_order_of_the_rooms(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(HOME)
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == 0, capsys.readouterr().out


def test_no_imports_in_circles() -> None:
    """Imports in functions and those for types alone count too: they hide circles, they do not mend them."""
    graph = grimp.build_graph("archdial", exclude_type_checking_imports=False, cache_dir=None)
    # The package itself names the homes of what is public, and nothing asks it for them.
    modules = graph.modules - {"archdial"}
    imports = {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' ← '.join(error.args[1])}")


@pytest.mark.slow
def test_functions_are_small() -> None:
    sizes = {where: size for path in SOURCES for where, size in lengths(path)}
    assert {where: size for where, size in sizes.items() if size > 40} == {}
    assert median(sizes.values()) <= 7


def test_files_are_small() -> None:
    sizes = {str(path.relative_to(HOME)): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: size for name, size in sizes.items() if size > 300} == {}


def lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the lines of code in each function of a file: signature, documentation and comments aside."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            if body:
                span = lines[body[0].lineno - 1 : node.end_lineno]
                code = [line for line in span if line.strip() and not line.strip().startswith("#")]
                yield f"{path.relative_to(HOME)}:{node.lineno} {node.name}", len(code)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_pages_import_is_there(page: Path) -> None:
    """Modules moved, and the paths that people's scripts learned here went on working."""
    for module, names in re.findall(r"^from (archdial[\w.]*) import ([\w, ]+)", page.read_text(encoding="utf-8"), re.M):
        for name in names.split(","):
            assert hasattr(import_module(module), name.strip()), f"{module}.{name}"


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("baselines", "BASELINES"),
        ("comparing", "compared"),
        ("comparing", "search_baselines"),
        ("cost.expected", "ExpectedCost"),
        ("measure", "evaluator_of"),
        ("storage", "load_built"),
    ],
)
def test_paths_of_before(module: str, name: str) -> None:
    """These stood in the docs before the rooms were moved."""
    assert hasattr(import_module(f"archdial.{module}"), name)
