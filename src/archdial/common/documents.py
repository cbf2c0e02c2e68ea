"""JSON documents from outside: read within limits, and sealed by a digest of their contents."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

from archdial.common.errors import UsageError, cut

LARGEST = 256 * 2**20
"""Bytes of a file: a table of hundreds of terms for twenty machines has some millions."""

DEEPEST = 50
"""Lists and objects within each other."""

SEAL = "sha256"

_STEP = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKET = bytes(set(range(256)) - _STEP.keys())
_AGAIN = "create it again or restore a copy"


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object in `path`; `what` names the file in the error.

    Raises:
        UsageError: the file is missing, cut off, too large, or holds no JSON object.
    """
    value = parse_json(read_bytes(path, what), f"the {what} {path}")
    if not isinstance(value, dict):
        raise UsageError(f"the {what} {path} holds a {type(value).__name__}, expected a JSON object")
    return value


def read_bytes(path: Path, what: str, largest: int = LARGEST) -> bytes:
    """Return what the file `path` holds; `what` names it in the error.

    Raises:
        UsageError: there is no file, or it is larger than any such file can be.
    """
    if not path.is_file():
        raise UsageError(f"no {what} at {path}: pass an existing file")
    if (size := path.stat().st_size) > largest:
        raise UsageError(f"the {what} {path} has {size:,} bytes, expected at most {largest:,}: pass the right file")
    return path.read_bytes()


def parse_json(data: bytes, source: str) -> Any:
    """Return the JSON value of `data`; `source` names it in errors.

    Raises:
        UsageError: it is not JSON, contains NaN, infinity or a duplicate key, or is nested too deeply.
    """
    try:
        if _depth(data) > DEEPEST:
            raise RecursionError
        # As bytes it would take halves of characters, and other encodings.
        text = data.decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_once)
    except RecursionError:
        raise UsageError(f"{source} is nested more than {DEEPEST} levels deep: {_AGAIN}") from None
    except ValueError as error:
        raise UsageError(f"{source} is damaged ({cut(str(error), 200)}): {_AGAIN}") from None


def _depth(data: bytes) -> int:
    """Return how deep brackets stand within each other; those in texts count too, as nobody writes fifty there."""
    return max(accumulate(map(_STEP.__getitem__, data.translate(None, _NO_BRACKET))), default=0)


def _refuse(name: str) -> None:
    raise ValueError(f"it contains {name}, but JSON allows only finite numbers")


def _finite(text: str) -> float:
    """Return the number of `text`; 1e400 would silently become infinity."""
    value = float(text)
    if math.isinf(value):
        _refuse(cut(text))
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of `pairs`; of two equal keys one reader takes the first and another the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {cut(twice)!r} appears twice in one object")
    return made


def is_version(value: object, version: int) -> bool:
    """Tell whether a file has this version: not `true`, which Python takes for 1."""
    return value == version and not isinstance(value, bool)


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return `value` with a digest of it, by which whoever reads it sees that it is as it was written."""
    return {**value, SEAL: digest(value)}


def check_seal(value: dict[str, Any], path: Path, mend: str, *, needed: bool = False) -> None:
    """Take the digest out of `value`, which `path` holds, and compare it with what `value` is.

    Args:
        mend: what to do where they differ.
        needed: refuse a file without a digest; else it is taken for one of an archdial that wrote none.

    Raises:
        UsageError: they differ.
    """
    claimed = value.pop(SEAL, None)
    if claimed != digest(value) and (needed or claimed is not None):
        raise UsageError(f"{path} was edited or damaged after it was written: {mend}")


def digest(value: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a JSON object, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
