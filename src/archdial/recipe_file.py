"""Recipe files, from YAML to dataclasses: a mistake becomes one sentence with key, value and what is expected."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from importlib.resources import files
from types import NoneType
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from archdial.errors import UsageError, unknown

Value = TypeVar("Value")

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a section of keys and values",
    "dataclass_type": "a section of keys and values",
}


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML has it, but 3e-4 is a number, and no key may stand twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of `node`."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} stands twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def recipe_names() -> list[str]:
    """Return the names of the recipes that ship."""
    names = (entry.name for entry in (files("archdial") / "recipes").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """Return the YAML of the recipe that ships under `name`."""
    return (files("archdial") / "recipes" / f"{name}.yaml").read_text(encoding="utf-8")


def read_yaml(text: str) -> dict[str, Any]:
    """Return the mapping that the YAML `text` holds.

    Raises:
        UsageError: it is no YAML, with the line; or no mapping.
    """
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise UsageError(f"{line}{error.problem}: mend the YAML there") from None
    except yaml.YAMLError as error:
        raise UsageError(f"this is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(value, dict):
        raise UsageError(f"it holds {_short(value)}: expected keys and values, as in `data: digits`")
    return {str(name): item for name, item in value.items()}


def validated(cls: type[Value], value: Mapping[str, Any], under: str = "") -> Value:
    """Return `value` as the dataclass `cls`; `under` is the path of `value` in errors.

    Raises:
        UsageError: a key is unknown or missing, or a value has the wrong type or is refused by the dataclass.
    """
    # By way of JSON: strict, so that "8" is no number, and yet a list may become a tuple.
    text = json.dumps(value, default=str)
    try:
        return TypeAdapter(cls).validate_json(text, strict=True)
    except ValidationError as error:
        raise UsageError(_sentence(error, cls, under)) from None


def _sentence(error: ValidationError, cls: type, under: str) -> str:
    found = error.errors()
    # A misspelt key is the cause where another one is missing.
    first = next((item for item in found if item["type"] == "unexpected_keyword_argument"), found[0])
    path, annotation, section = _place(cls, first["loc"], under)
    if first["type"] == "unexpected_keyword_argument":
        return f"{path}: {unknown('key', str(first['loc'][-1]), _keys(section))}"
    if first["type"] == "missing":
        return f"the key {path} is missing: add `{path}: …`"
    if first["type"] == "value_error":
        # A dataclass refused its values, and says why itself.
        text = str(first["ctx"]["error"])
        return text if not path or text.startswith(path) else f"{path}: {text}"
    if first["type"] == "literal_error" and isinstance(first["input"], str) and annotation is not None:
        return str(unknown(path, first["input"], map(str, get_args(annotation))))
    same = [item for item in found if _place(cls, item["loc"], under)[0] == path]
    expected = dict.fromkeys(_expected(item) for item in same)
    return f"{path or 'it'} is {_short(first['input'])}: expected {' or '.join(expected)}"


def _expected(item: Any) -> str:
    if item["type"] == "literal_error":
        return str(item["ctx"]["expected"])
    return _EXPECTED.get(item["type"], str(item["msg"]).removeprefix("Input should be "))


def _place(cls: type, loc: Sequence[str | int], under: str) -> tuple[str, Any, Any]:
    """Return the path of a key as a user writes it, what it is annotated with, and the dataclass it stands in."""
    path, here, section = under, cls, cls
    for number, part in enumerate(loc):
        if isinstance(part, int):
            path += f"[{part}]"
        elif is_dataclass(here) and (part in _keys(here) or number == len(loc) - 1):
            section, here = here, _plain(get_type_hints(here).get(part))
            path += f".{part}" if path else part
        # Else it is the arm of a union, of which a user knows nothing.
    return path, here, section


def _plain(annotation: Any) -> Any:
    arms = [arm for arm in get_args(annotation) if arm is not NoneType]
    return arms[0] if len(arms) == 1 and NoneType in get_args(annotation) else annotation


def _keys(cls: Any) -> list[str]:
    return [item.name for item in fields(cls)]


def _short(value: object) -> str:
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
