"""Reading the JSON of a cost table value by value, with errors that name the file, the entry and the mend."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdial.errors import UsageError

REMAKE = "add it to the file, or profile the network again"
_AGAIN = "correct the file, or profile the network again"
_RUNTIME = ("device", "runtime", "threads", "batch_size")


@dataclass(frozen=True)
class _Kind:
    """What a value of the header has to be."""

    expected: str
    right: Callable[[object], bool]


def _amount(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 0  # type: ignore[arg-type,operator]


def _count(value: object) -> bool:
    return _amount(value) and value >= 1 and float(value).is_integer()  # type: ignore[arg-type,operator]


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_TEXT = _Kind("a string", lambda value: isinstance(value, str))
_COUNT = _Kind("a whole number, 1 or more", _count)
_AMOUNT = _Kind("a finite number, zero or more", _amount)
_NAMES = ("device", "device_name", "cpu", "runtime", "runtime_version", "dtype", "layout", "date", "python", "torch")
_HEADER = {
    **dict.fromkeys(_NAMES, _TEXT),
    **dict.fromkeys(("threads", "batch_size", "repeats"), _COUNT),
    **dict.fromkeys(("spread", "seconds"), _AMOUNT),
    "noisy": _Kind("a list of names", _texts),
}


def title(choices: Sequence[str], options: Sequence[str] | None = None) -> str:
    """Return how an entry is named in errors: choice=option for each choice."""
    if not choices:
        return "what always runs"
    if options is None or len(options) != len(choices):
        return ", ".join(choices)
    return ", ".join(f"{choice}={option}" for choice, option in zip(choices, options, strict=True))


@dataclass(frozen=True)
class Reader:
    """Takes values out of JSON objects; every method raises UsageError for a missing key or a wrong value."""

    source: str

    def error(self, problem: str, mend: str = _AGAIN) -> UsageError:
        """Return the error for `problem`."""
        return UsageError(f"{self.source}: {problem}; {mend}")

    def header(self, value: Mapping[str, Any], form: str, version: int) -> None:
        """Check the format and version of a file."""
        if value.get("format") != form:
            raise self.error(f"the format is {value.get('format')!r}, expected {form!r}", "name a table of archdial")
        if value.get("version") != version:
            got = value.get("version")
            raise self.error(f"the version is {got!r}, this archdial reads {version}", "profile the network again")

    def get(self, value: Mapping[str, Any], key: str, where: str) -> Any:
        """Return the value of `key`."""
        if key not in value:
            raise self.error(f"{where} lacks {key!r}")
        return value[key]

    def text(self, value: Mapping[str, Any], key: str) -> str:
        """Return a string."""
        found = self.get(value, key, "it")
        if not isinstance(found, str):
            raise self.error(f"{key!r} is {found!r}, expected a string")
        return found

    def runtime(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """Return the header that says how the table was measured."""
        found = self.get(value, "runtime", "it")
        if not isinstance(found, dict):
            raise self.error(f"'runtime' is {found!r}, expected an object")
        for key in _RUNTIME:
            self.get(found, key, "'runtime'")
        for key, value in found.items():
            if key in _HEADER and not _HEADER[key].right(value):
                raise self.error(f"{key!r} of 'runtime' is {value!r}, expected {_HEADER[key].expected}")
        return found

    def mapping(self, value: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Return an object; an empty one where there is none."""
        found = value.get(key, {})
        if not isinstance(found, dict):
            raise self.error(f"{key!r} is {found!r}, expected an object")
        return found

    def names(self, value: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        """Return a list of strings."""
        found = self.get(value, key, where)
        if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
            raise self.error(f"{key!r} of {where} is {found!r}, expected a list of names")
        return tuple(found)

    def objects(self, value: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
        """Return a list of objects."""
        found = self.get(value, key, where)
        if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
            raise self.error(f"{key!r} of {where} is no list of objects")
        return found

    def number(self, value: Mapping[str, Any], key: str, where: str, least: float = 0.0) -> float:
        """Return a finite number that is not below `least`."""
        found = self.get(value, key, f"the entry {where}")
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise self.error(f"{key} of {where} is {found!r}, expected a number")
        if not math.isfinite(found) or found < least:
            raise self.error(f"{key} of {where} is {found!r}, expected a finite number, {_from(least)} or more")
        return float(found)

    def integer(self, value: Mapping[str, Any], key: str, where: str) -> int:
        """Return a whole number that is not negative."""
        found = self.number(value, key, where)
        if not found.is_integer():
            raise self.error(f"{key} of {where} is {found!r}, expected a whole number")
        return int(value[key])


def _from(least: float) -> str:
    return "zero" if least == 0 else f"{least:g}"
