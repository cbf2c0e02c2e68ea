"""Recipe files: built-in ones, and YAML read within limits."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from datetime import date
from importlib.resources import files
from typing import Any

import yaml

from archdial.common.errors import UsageError, cut, short

LARGEST = 100_000
"""Characters of a recipe; those that ship have two thousand."""

DEEPEST, MOST = 30, 20_000
"""Sections within each other; values once aliases stand for what they name."""


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML has it, but 3e-4 is a number, and no key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of `node`."""
        if not isinstance(node, yaml.MappingNode):
            return super().construct_mapping(node, deep)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key is a list or a section", problem_mark=key.start_mark)
            if key.value in seen:
                problem = f"the key {cut(key.value)!r} appears twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of `node`; what Python cannot make of its text is a fault of the text."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError, AttributeError, KeyError, TypeError) as error:
            text = cut(str(node.value)) if isinstance(node, yaml.ScalarNode) else "this"
            kind = node.tag.rpartition(":")[2]
            problem = f"{text!r} is not a valid {kind} ({cut(str(error), 80)})"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from None


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship."""
    names = (entry.name for entry in (files("archdial.runs") / "recipes").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """Return the YAML of the recipe that ships under `name`."""
    return (files("archdial.runs") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def read_yaml(text: str) -> dict[str, Any]:
    """Return the mapping that the YAML `text` holds.

    Raises:
        UsageError: it is not YAML (with the line), not a mapping, or larger than any recipe.
    """
    try:
        value = _value(text)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise UsageError(f"{line}{error.problem}: correct the YAML there") from None
    except yaml.YAMLError as error:
        raise UsageError(f"it is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UsageError(f"it contains {short(value)}: expected keys and values, such as `data: digits`")
    return {str(name): item for name, item in value.items()}


def _value(text: str) -> Any:
    """Return the value of `text`, made only once it is known not to swell: aliases of aliases double at each line."""
    if len(text) > LARGEST:
        raise UsageError(f"it has {len(text):,} characters, expected at most {LARGEST:,}: pass a recipe")
    _check_depth(text)
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _size(node, {}, set()) > MOST:
            raise UsageError(
                f"it expands to more than {MOST:,} values through its aliases: write the values out, "
                "without nested aliases"
            )
        return _plain(loader.construct_document(node))
    finally:
        loader.dispose()


def _check_depth(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise UsageError(f"sections are nested more than {DEEPEST} levels deep: flatten it")


def _size(node: yaml.Node, known: dict[yaml.Node, int], inside: set[yaml.Node]) -> int:
    """Return how many values `node` stands for."""
    if node in inside:
        raise yaml.MarkedYAMLError(
            problem="an alias refers to a section that contains it", problem_mark=node.start_mark
        )
    if node not in known:
        inside.add(node)
        known[node] = 1 + sum(_size(child, known, inside) for child in _children(node))
        inside.discard(node)
    return known[node]


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key
            yield value


def _plain(value: Any) -> Any:
    """Return `value` as JSON would have it: YAML knows more kinds of values, and of keys, than a recipe does."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"it contains {short(value)}: expected numbers, strings, lists and sections, without tags")
