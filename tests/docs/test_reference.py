"""The reference has a page for each public name, and docstrings that say what arguments are and which errors come."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

import griffe
import pytest

import archdial
from tests.docs.hooks import hook

pytestmark = pytest.mark.slow

MADE_INSIDE = {"CellNetwork", "GatedNetwork"}
"""Classes that users get from functions."""


def functions() -> Iterator[tuple[str, griffe.Function]]:
    """Yield the public functions, and the constructors and public methods that public classes define themselves."""
    for one in hook("reference").public():
        if isinstance(one.what, griffe.Function):
            yield one.name, one.what
        if isinstance(one.what, griffe.Class):
            for name, member in one.what.members.items():
                if isinstance(member, griffe.Function) and (name == "__init__" or not name.startswith("_")):
                    yield f"{one.name}.{name}", member


def explained(what: griffe.Object) -> str:
    """Return the docstring of a function; a constructor is explained by its class."""
    owner = what.parent if what.name == "__init__" else what
    assert owner is not None
    return owner.docstring.value if owner.docstring else ""


def bases(what: griffe.Object) -> list[griffe.Class]:
    """Return the classes of archdial that a class inherits from."""
    return what.mro() if isinstance(what, griffe.Class) else []


def test_each_public_name_has_a_page() -> None:
    pages = hook("reference").pages()
    missing = [name for name in archdial.__all__ if f"reference/{name}.md" not in pages]
    assert missing == []
    assert [
        name for name in archdial.dial.__all__ if not {f"reference/{name}.md", f"reference/dial.{name}.md"} & {*pages}
    ] == []


def test_each_page_shows_what_users_get() -> None:
    """The sources are only read, and names there can be others than those that are imported."""
    for one in hook("reference").public():
        if one.name in archdial.__all__ and not isinstance(one.what, griffe.Module):
            found = getattr(archdial, one.name)
            assert one.home == f"{found.__module__}.{found.__qualname__}"


def test_the_index_lists_each_page_once() -> None:
    pages = hook("reference").pages()
    index = pages.pop("reference/index.md")
    listed = [line.split("](")[1].split(")")[0] for line in index.splitlines() if line.startswith("- [")]
    assert sorted(f"reference/{page}" for page in listed) == sorted(pages)


def test_arguments_are_explained() -> None:
    """Each has a line of its own: those of functions, and what classes are made with."""
    unexplained = {}
    for one in hook("reference").public():
        what = one.what.members.get("__init__") if isinstance(one.what, griffe.Class) else one.what
        if isinstance(what, griffe.Function) and one.name not in MADE_INSIDE:
            names = [argument.name for argument in what.parameters if argument.name != "self"]
            lines = "\n".join(explained(each) for each in (what, *bases(one.what)))
            left = [name for name in names if not re.search(rf"^ *{name}: ", lines, flags=re.M)]
            unexplained |= {one.name: left} if left else {}
    assert unexplained == {}


def test_errors_are_told() -> None:
    untold = {}
    for name, what in functions():
        tree = ast.parse(textwrap.dedent(what.source or ""))
        raised = {raising(node) for node in ast.walk(tree) if isinstance(node, ast.Raise)} - {""}
        left = {error for error in raised if error not in explained(what)}
        if left:
            untold[name] = left
    assert untold == {}


def raising(node: ast.Raise) -> str:
    """Return the kind of error that a statement raises, if it is one of archdial's."""
    called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    name = called.id if isinstance(called, ast.Name) else ""
    return {"unknown": "UsageError", "UsageError": "UsageError", "RunError": "RunError"}.get(name, "")
