"""Printing results on standard output: tables for people, or one JSON value."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType

from archdial.cli.following import say_next
from archdial.cli.streams import takes

PIPED_WIDTH = 140
"""Columns of a table that does not go to a terminal."""


def show(value: object, *people: RenderableType, as_json: bool, then: str | None = None) -> None:
    """Print `value` as JSON, or `people` one after the other; `then`, the next command, goes to standard error."""
    _print(value, people, as_json)
    if then is not None:
        # After the results, where both streams are one.
        sys.stdout.flush()
        say_next(then)


def _print(value: object, people: Sequence[RenderableType], as_json: bool) -> None:
    if as_json:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
        if not takes(sys.stdout, text):
            text = json.dumps(value, indent=1, allow_nan=False)
        sys.stdout.write(text + "\n")
        # Here, where a full disk is still told of.
        sys.stdout.flush()
        return
    console = Console(width=None if sys.stdout.isatty() else PIPED_WIDTH)
    for item in people:
        # A path or a sentence is left as it is, so that it can be copied.
        console.print(item, markup=False, highlight=False, soft_wrap=isinstance(item, str))


def distinct(members: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the first member of each architecture."""
    found: dict[str, Mapping[str, Any]] = {}
    for member in members:
        found.setdefault(json.dumps(member["architecture"]), member)
    return list(found.values())
