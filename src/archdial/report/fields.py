"""The values of a result file, each checked as it is read; an error names the field."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from archdial.errors import UsageError


def check_format(value: Mapping[str, Any], expected: str, version: int, command: str) -> None:
    """Refuse a file of another format or version; `command` is the one that writes such files."""
    found = (value.get("format"), value.get("version"))
    if found != (expected, version):
        raise UsageError(
            f"a file of format {found[0]!r}, version {found[1]!r}: expected {expected!r}, version {version}; "
            f"`{command}` writes one"
        )


@contextmanager
def within(file: str, command: str) -> Iterator[None]:
    """Add to an error in which file its field is, and by which command that file is made anew.

    A page reads several files, so the field alone would not tell.
    """
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{file}: {error}: make the file anew with `{command}`") from None


def number(value: object, where: str, lowest: float = 0.0) -> float:
    """Return a finite number, at least `lowest`."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value) or value < lowest:
        raise UsageError(f"{where} is {value!r}: expected a finite number" + (", at least 0" if lowest == 0 else ""))
    return float(value)


def positive(value: object, where: str) -> float:
    """Return a finite number above 0."""
    if number(value, where) == 0:
        raise UsageError(f"{where} is 0: expected a number above 0")
    return number(value, where)


def share(value: object, where: str) -> float:
    """Return a number from 0 to 1."""
    if number(value, where) > 1:
        raise UsageError(f"{where} is {value:g}: expected a share from 0 to 1, not per cent")
    return number(value, where)


def whole(value: object, where: str) -> int:
    """Return a whole number, at least 0."""
    found = number(value, where)
    if found != int(found):
        raise UsageError(f"{where} is {value!r}: expected a whole number")
    return int(found)


def text(value: object, where: str) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise UsageError(f"{where} is {value!r}: expected a text")
    return value


def texts(value: object, where: str) -> dict[str, str]:
    """Return an object of texts."""
    return {str(name): text(entry, f"{where}[{name!r}]") for name, entry in mapping(value, where).items()}


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return a JSON object."""
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} is {_short(value)}: expected a JSON object")
    return value


def listed(value: Mapping[str, Any], name: str, where: str, missing: list[Any] | None = None) -> list[Any]:
    """Return the list `name` of an object, or `missing` where there is none."""
    found = value.get(name, missing)
    if not isinstance(found, list):
        raise UsageError(f"{where} is {_short(found)}: expected a list")
    return found


def _short(value: object) -> str:
    shown = json.dumps(value, default=repr)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
