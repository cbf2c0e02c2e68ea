"""The only validator of untrusted input: turns pydantic's findings into sentences with key, value and fix."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from archdial.common.errors import UsageError, cut, first_line, short, unknown

Value = TypeVar("Value")
Place = tuple[str | int, ...]

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "string_type": "a string",
    "string_unicode": "a string",
    "bool_type": "true or false",
    "none_required": "null",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a section of keys and values",
    "dataclass_type": "a section of keys and values",
    "string_too_short": "a non-empty string",
}
_MOST_ERRORS, _FIRST = 1_000, 10
"""Errors that are listed, which takes a kilobyte each; of more, those of the first keys of each section."""
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "a number above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "a number below"),
    "too_short": ("min_length", "a list of length at least"),
    "too_long": ("max_length", "a list of length at most"),
    "string_too_long": ("max_length", "a string of length at most"),
}


def validated(kind: type[Value], value: object, under: str = "", says: Callable[[Place], str] | None = None) -> Value:
    """Return `value`, as JSON or YAML gave it, as the dataclass `kind`; see `conforming`."""
    made: Value = conforming(kind, value, under, says)
    return made


def conforming(kind: Any, value: object, under: str = "", says: Callable[[Place], str] | None = None) -> Any:
    """Return `value`, as JSON or YAML gave it, as `kind`: whatever annotation pydantic knows.

    Args:
        value: strictly what `kind` says: "8" is no number, and yet a list may become a tuple.
        under: the path of `value` in errors.
        says: returns what a person calls the place in `value` that an error is about, if its path does not tell.

    Raises:
        UsageError: a key is unknown or missing, or a value has the wrong type, is out of bounds, or is refused by the
            dataclass.
    """
    try:
        text = json.dumps(value, default=str)
        return _adapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        if error.error_count() > _MOST_ERRORS:
            raise UsageError(_first_of_many(error.error_count(), kind, value, under, says)) from None
        raise UsageError(_sentence(error, kind, value, under, says)) from None
    except (TypeError, ValueError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        what = "is nested too deeply" if isinstance(error, RecursionError) else cut(first_line(error), 200)
        raise UsageError(f"{under or 'it'} cannot be read as JSON: {what}") from None


def check_fields(instance: Any, under: str = "") -> None:
    """Raise UsageError unless each field of a dataclass `instance` is within the bounds of its annotation."""
    kind: Any = type(instance)
    for name, adapter in _bounded(kind):
        value = getattr(instance, name)
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            path = f"{under}.{name}" if under else name
            expected = " or ".join(dict.fromkeys(map(_expected, error.errors())))
            raise UsageError(f"{path} is {short(value)}: expected {expected}") from None


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _bounded(kind: Any) -> list[tuple[str, TypeAdapter[Any]]]:
    hints = get_type_hints(kind, include_extras=True)
    return [(item.name, TypeAdapter(hints[item.name])) for item in fields(kind) if _has_bounds(hints[item.name])]


def _has_bounds(annotation: Any) -> bool:
    return get_origin(annotation) is Annotated or any(map(_has_bounds, get_args(annotation)))


def _sentence(error: ValidationError, kind: Any, value: object, under: str, says: Callable[[Place], str] | None) -> str:
    found = error.errors(include_url=False)
    # A misspelt key is the cause where another one is missing.
    first = next((item for item in found if item["type"] == "unexpected_keyword_argument"), found[0])
    place = _place(first, value)
    path = _path(under, place)
    if first["type"] == "unexpected_keyword_argument":
        return f"{path}: {unknown('key', str(first['loc'][-1]), _keys(kind, place[:-1]))}"
    if first["type"] in ("missing", "missing_argument"):
        return f"the key {path}{_called(says, place[:-1])} is missing: add `{path}: …`"
    if isinstance(first.get("ctx", {}).get("error"), UsageError):
        # A dataclass refused its values, and says why itself.
        text = str(first["ctx"]["error"])
        return text if not path or text.startswith(path) else f"{path}: {text}"
    if first["type"] == "literal_error" and isinstance(first["input"], str):
        names = re.findall(r"'([^']*)'", first["ctx"]["expected"])
        if names:
            return str(unknown(path or "value", first["input"], names))
    if first["type"] == "json_invalid":
        return f"{under or 'it'} is not JSON: {cut(str(first['ctx']['error']), 200)}"
    same = [item for item in found if _place(item, value) == place]
    expected = dict.fromkeys(map(_expected, same))
    return f"{path or 'it'}{_called(says, place)} is {short(first['input'])}: expected {' or '.join(expected)}"


def _first_of_many(count: int, kind: Any, value: object, under: str, says: Callable[[Place], str] | None) -> str:
    beginning = _beginning(value)
    try:
        _adapter(kind).validate_json(json.dumps(beginning, default=str), strict=True)
    except ValidationError as error:
        if error.error_count() <= _MOST_ERRORS:
            return _sentence(error, kind, beginning, under, says)
    return f"{under or 'it'} has {count:,} values of the wrong type: expected a file written by archdial"


def _beginning(value: object) -> object:
    if isinstance(value, Mapping):
        return {key: _beginning(item) for key, item in islice(value.items(), _FIRST)}
    return list(map(_beginning, value[:_FIRST])) if isinstance(value, list | tuple) else value


def _called(says: Callable[[Place], str] | None, place: Place) -> str:
    told = says(place) if says is not None else ""
    return f" ({told})" if told else ""


def _expected(item: Any) -> str:
    if item["type"] == "literal_error":
        return str(item["ctx"]["expected"])
    if item["type"] in _BOUNDS:
        key, words = _BOUNDS[item["type"]]
        bound = item["ctx"][key]
        return f"{words} {bound:,}" if isinstance(bound, int) else f"{words} {bound:g}"
    return _EXPECTED.get(item["type"], str(item["msg"]).removeprefix("Input should be ").removeprefix("Value error, "))


def _place(item: Any, value: object) -> Place:
    """Return where in `value` an error is: of pydantic's location what is a key or an index, not the arm of a union."""
    place: list[str | int] = []
    last = len(item["loc"]) - 1
    for number, part in enumerate(item["loc"]):
        if isinstance(value, Mapping):
            missing = number == last and item["type"] in ("missing", "missing_argument")
            if part not in value and not missing:
                continue
            value = value.get(part)
        elif isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            continue
        place.append(part)
    return tuple(place)


def _path(under: str, place: Sequence[str | int]) -> str:
    path = under
    for part in place:
        path += f"[{part}]" if isinstance(part, int) else f".{cut(part)}" if path else cut(part)
    return path


def _keys(kind: Any, place: Sequence[str | int]) -> list[str]:
    """Return the keys that the section at `place` of `kind` may have."""
    here = kind
    for part in place:
        if not is_dataclass(here) or not isinstance(part, str):
            return []
        here = _plain(get_type_hints(here).get(part))
    return [item.name for item in fields(here)] if is_dataclass(here) else []


def _plain(annotation: Any) -> Any:
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    arms = [arm for arm in get_args(annotation) if arm is not NoneType]
    return arms[0] if len(arms) == 1 else annotation
