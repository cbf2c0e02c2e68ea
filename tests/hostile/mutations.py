"""Seeded damage to files: to bytes as disks and editors do it, to values as people do it, to tensors."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_KEY = re.compile(rb'"[^"\\]*"\s*:')

NUMBERS = (0, -1, 1, 2, 0.5, -0.0, 1e-320, 1e-30, 1e30, 1e308, -1e308, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**400)
TEXTS = (
    "",
    " ",
    "a",
    "x" * 3_000,
    "nаme",
    "ｉdentity",
    "none|none",
    "../up",
    "a\x1b[31mb\n",
    "\x00",
    "\u202e",
    "true",
    "1",
)
LOOSE = ("\ud800", "\udfff\ud800")
"""Halves of characters, which JSON may hold and UTF-8 may not."""

TOKENS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"-0",
    b"9" * 5_000,
    b"1" + b"0" * 400,
    b"1e",
    b"01",
    b"0x10",
    b"1_000",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b'"\\ud800"',
    b'"\\u0000"',
    b"\x1b[31m",
    b"\x00",
    b"\x7f",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"[" * 60,
    b"[" * 5_000,
    b'{"a":' * 60,
    b",",
    b":",
    b"}",
    b"]",
    b'"',
    b"'",
    b"\\",
    b"\n",
    b"\t",
    b"//",
)

YAML_TOKENS = (
    b"*a",
    b"&a ",
    b"&a [*a]",
    b"<<: *a\n",
    b"? [a]\n: b\n",
    b"- " * 40,
    b"[" * 40,
    b"!!int abc",
    b"!!float x",
    b"!!bool x",
    b"!!binary x",
    b"!!timestamp x",
    b"2020-13-45",
    b"2020-01-01",
    b"!!set {a}",
    b"!!omap [a: b]",
    b"!!pairs [a: b]",
    b"!!python/object/apply:os.system ['touch /tmp/archdial-ran']",
    b"!!python/name:os.system",
    b"!own ",
    b"%YAML 9.9\n",
    b"---\n",
    b"...\n",
    b"|",
    b">",
    b"~",
    b".inf",
    b".nan",
    b"1:1:1",
    b"0b2",
    b"0o9",
    b"yes",
    b"=",
    b"@",
    b"`",
    b"#",
    b"!",
    b"3e-4",
)


def damaged(data: bytes, dice: Random, tokens: tuple[bytes, ...] = TOKENS) -> bytes:
    """Return `data` after one to three accidents."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        data = dice.choice(_ACCIDENTS)(data, dice) if dice.random() < 0.6 else _spliced(data, dice, tokens)
    return data


def _spliced(data: bytes, dice: Random, tokens: tuple[bytes, ...]) -> bytes:
    start = dice.randint(0, len(data))
    return data[:start] + dice.choice(tokens) + data[start + dice.choice((0, 0, 1, 5)) :]


def _flipped(data: bytes, dice: Random) -> bytes:
    changed = bytearray(data or b" ")
    changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _inserted(data: bytes, dice: Random) -> bytes:
    start = dice.randint(0, len(data))
    return data[:start] + dice.randbytes(dice.choice((1, 1, 2, 40))) + data[start:]


def _range(data: bytes, dice: Random) -> tuple[int, int]:
    start = dice.randint(0, len(data))
    return start, min(len(data), start + dice.choice((1, 2, 8, 64, 512)))


def _deleted(data: bytes, dice: Random) -> bytes:
    start, end = _range(data, dice)
    return data[:start] + data[end:]


def _doubled(data: bytes, dice: Random) -> bytes:
    start, end = _range(data, dice)
    return data[:end] + data[start:end] * dice.choice((1, 2, 50)) + data[end:]


def _moved(data: bytes, dice: Random) -> bytes:
    start, end = _range(data, dice)
    rest = data[:start] + data[end:]
    place = dice.randint(0, len(rest))
    return rest[:place] + data[start:end] + rest[place:]


def _truncated(data: bytes, dice: Random) -> bytes:
    return data[: dice.randint(0, len(data))]


def _renumbered(data: bytes, dice: Random) -> bytes:
    found = list(_NUMBER.finditer(data))
    if not found:
        return data
    one = dice.choice(found)
    return data[: one.start()] + json.dumps(dice.choice(NUMBERS)).encode() + data[one.end() :]


def _key_twice(data: bytes, dice: Random) -> bytes:
    found = list(_KEY.finditer(data))
    if not found:
        return data
    one = dice.choice(found)
    return data[: one.start()] + one.group() + b" 1, " + data[one.start() :]


def _recoded(data: bytes, dice: Random) -> bytes:
    return data.decode("utf-8", "replace").encode(dice.choice(("utf-16", "utf-32-be", "utf-8-sig", "utf-16-le")))


_ACCIDENTS = (
    _flipped,
    _flipped,
    _inserted,
    _deleted,
    _doubled,
    _moved,
    _truncated,
    _renumbered,
    _renumbered,
    _key_twice,
    _recoded,
)


def mutated(value: Any, dice: Random, leaf: Callable[[Any, Random], Any] | None = None) -> Any:
    """Return a copy of a JSON `value` with one to three of its nodes changed.

    Args:
        leaf: changes what is neither list nor mapping, where not as by default.
    """
    for _ in range(dice.choice((1, 1, 1, 1, 2, 3))):
        value = _changed_at(value, _path(value, dice), dice, leaf or other_value)
    return value


def _path(value: Any, dice: Random) -> list[Any]:
    """Return the way to some node, as often near the top as at the leaves."""
    path = []
    while isinstance(value, Mapping | list | tuple) and len(value) and dice.random() < 0.85:
        path.append(dice.choice(list(value)) if isinstance(value, Mapping) else dice.randrange(len(value)))
        value = value[path[-1]]
    return path


def _changed_at(value: Any, path: Sequence[Any], dice: Random, leaf: Callable[[Any, Random], Any]) -> Any:
    if path:
        copy = dict(value) if isinstance(value, Mapping) else list(value)
        copy[path[0]] = _changed_at(value[path[0]], path[1:], dice, leaf)
        return copy
    if isinstance(value, Mapping) and value and dice.random() < 0.7:
        return _other_mapping(dict(value), dice)
    if isinstance(value, list | tuple) and value and dice.random() < 0.7:
        return _other_list(list(value), dice)
    return leaf(value, dice)


def _other_mapping(value: dict[Any, Any], dice: Random) -> dict[Any, Any]:
    key, other = dice.choice(list(value)), dice.choice(list(value))
    match dice.randrange(6):
        case 0:
            del value[key]
        case 1:
            value[dice.choice((*TEXTS, *LOOSE, "kind", "sha256", "latency_m"))] = _strange(dice)
        case 2:
            # Misspelt, its place kept.
            return {f"{k}s" if k == key else k: v for k, v in value.items()}
        case 3:
            value[key], value[other] = value[other], value[key]
        case 4:
            value[f"{key}2"] = value[key]
        case 5:
            return dict(reversed(value.items()))
    return value


def _other_list(value: list[Any], dice: Random) -> list[Any]:
    place, other = dice.randrange(len(value)), dice.randrange(len(value))
    match dice.randrange(5):
        case 0:
            del value[place]
        case 1:
            value[place], value[other] = value[other], value[place]
        case 2:
            return value * dice.choice((2, 2, 3, 400 if len(value) < 100 else 2))
        case 3:
            value.insert(place, _strange(dice))
        case 4:
            value.insert(place, value[other])
    return value


def other_value(value: Any, dice: Random) -> Any:
    """Return something close to `value` now and then, else anything."""
    if isinstance(value, bool) or dice.random() < 0.6 or (isinstance(value, int | float) and not abs(value) < 1e300):
        return _strange(dice)
    if isinstance(value, int):
        return dice.choice((value + 1, value - 1, value / 1, value * 1_000_000, str(value), -value))
    if isinstance(value, float):
        return dice.choice((value * (1 + 1e-9), value * 1.5, -value, int(value), str(value), value * 1e12))
    if isinstance(value, str):
        return dice.choice((value + " ", value[:-1], value.upper(), value * 2, [value], f"{value}\u200b"))
    return _strange(dice)


def _strange(dice: Random) -> Any:
    match dice.randrange(8):
        case 0 | 1 | 2:
            return dice.choice(NUMBERS)
        case 3 | 4:
            return dice.choice((*TEXTS, *LOOSE))
        case 5:
            return dice.choice((None, True, False, [], {}, [[]], [None], {"": {}}))
        case 6:
            return dice.choice(([1, 2], ["a", "a"], {"kind": "mlp"}, [0.0] * 1_000, {"a": 1, "b": [2]}))
        case _:
            return nested(dice.choice((3, 20, 45, 60, 300)), dice.random() < 0.5)


def nested(depth: int, lists: bool = True) -> Any:
    """Return so many lists, or sections, within each other."""
    value: Any = 1
    for _ in range(depth):
        value = [value] if lists else {"a": value}
    return value


def other_tensors(tensors: Mapping[str, Tensor], dice: Random) -> dict[str, Tensor]:
    """Return `tensors` with some missing, too many, or of other shapes, types and values."""
    found = dict(tensors)
    for _ in range(dice.choice((1, 1, 1, 2))):
        name = dice.choice(list(found) or ["none"])
        match dice.randrange(6):
            case 0:
                found.pop(name, None)
            case 1:
                found[dice.choice((f"{name}2", "", "network.", "x" * 2_000, "a\x1bb", "calibration"))] = torch.ones(2)
            case 2:
                other = dice.choice(list(found) or ["none"])
                found[name], found[other] = found.get(other, torch.ones(1)), found.get(name, torch.ones(1))
            case _:
                found[name] = other_tensor(found.get(name, torch.ones(1)), dice)
    return found


_KINDS = (torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int8, torch.uint8, torch.bool)


def other_tensor(tensor: Tensor, dice: Random) -> Tensor:
    """Return `tensor` with another shape, type or value."""
    match dice.randrange(8):
        case 0:
            return tensor.reshape(-1).clone()
        case 1:
            return tensor.unsqueeze(0).clone()
        case 2:
            return torch.zeros(0, *tensor.shape[1:], dtype=tensor.dtype)
        case 3:
            return torch.cat([tensor.reshape(-1)] * 2)
        case 4 | 5:
            return tensor.nan_to_num().to(dice.choice(_KINDS))
        case 6:
            value = dice.choice((float("nan"), float("inf"), 1e30, -1.0, 0.0))
            # By way of what holds 1e30, as half precision makes infinity of it.
            filled = torch.full(tensor.shape, value).to(tensor.dtype)
            return filled if tensor.is_floating_point() else torch.zeros_like(tensor)
        case _:
            return torch.tensor(1.0)


def other_header(data: bytes, dice: Random) -> bytes:
    """Return the safetensors file `data` with its header changed, or its length."""
    (size,) = struct.unpack("<Q", data[:8])
    if dice.random() < 0.2:
        return struct.pack("<Q", dice.choice((0, 1, size - 1, size + 1, 2**31, 2**63, 2**64 - 1))) + data[8:]
    text = json.dumps(mutated(json.loads(data[8 : 8 + size]), dice)).encode()
    if dice.random() < 0.2:
        text = damaged(text, dice)
    return struct.pack("<Q", len(text)) + text + data[8 + size :]
