"""A JSON file and its weights, linked by a digest: both are replaced, or neither is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from archdial.common.documents import read_bytes, sealed
from archdial.common.errors import UsageError, cut
from archdial.common.files import json_text, replacing
from archdial.common.held import check_held
from archdial.common.leftovers import temporary_for

WEIGHTS = "weights.safetensors"
BEFORE = f".{WEIGHTS}.before"
"""The weights that are being replaced, until the file that tells of the new ones is there."""


def write_pair(path: Path, value: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write `value`, sealed, to `path` and `tensors` beside it; where either fails, both stay what they were.

    Two files cannot be renamed in one step: in between, or if this process is killed there, the weights of before are
    found by whoever reads the `path` of before.
    """
    data = save(_apart(tensors))
    whole = sealed({**value, "weights_sha256": hashlib.sha256(data).hexdigest()})
    with _kept(path), replacing(path) as text, replacing(path.parent / WEIGHTS) as weights:
        weights.write_bytes(data)
        text.write_text(json_text(whole), encoding="utf-8")
    return path


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return `tensors`, of which no two share memory, as the file's format asks: tied weights are written twice."""
    seen: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        place = tensor.untyped_storage().data_ptr()
        apart[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return apart


class Replaced(UsageError):
    """The weights are not those that the file beside them tells of: both may be just being replaced."""


def read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    """Return the weights in `path`, which have this digest, or those that were to be replaced there.

    Raises:
        UsageError: there are none, or they are damaged.
        Replaced: they are others than the digest is of.
    """
    if not path.is_file():
        raise UsageError(f"no weights at {path}: copy the whole folder of the run")
    data = _with_digest(path, sha256)
    if data is None and (data := _with_digest(path.with_name(BEFORE), sha256)) is None:
        raise Replaced(f"{path} does not belong to its family: restore a copy of the whole folder")
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise UsageError(f"{path} is damaged ({cut(str(error), 200)}): restore a copy") from None
    return tensors


def _with_digest(path: Path, sha256: str) -> bytes | None:
    """Return what `path` holds, if that has this digest."""
    data = read_bytes(path, "weights", largest=2**40) if path.is_file() else b""
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


@contextmanager
def _kept(path: Path) -> Iterator[None]:
    """Within, the weights that `path` tells of have a second name; they are put back where the block fails."""
    weights, before = path.with_name(WEIGHTS), path.with_name(BEFORE)
    check_held(path)
    _settle(path)
    if weights.exists() and path.exists():
        _second_name(weights, before)
    try:
        yield
    finally:
        # Whoever took over the folder meanwhile may need it.
        check_held(path)
        _settle(path)


def _second_name(weights: Path, before: Path) -> None:
    """Let `before` be `weights` too: a link, which leaves the file as it is, or a copy where there can be none."""
    temporary = temporary_for(before)
    try:
        try:
            temporary.hardlink_to(weights)
        except OSError:
            shutil.copyfile(weights, temporary)
        check_held(before)
        temporary.replace(before)
    finally:
        temporary.unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Let the weights that `path` tells of be those beside it, and no others be kept."""
    weights, before = path.with_name(WEIGHTS), path.with_name(BEFORE)
    if not before.exists():
        return
    told = _told(path)
    if _with_digest(weights, told) is None and _with_digest(before, told) is not None:
        before.replace(weights)
    before.unlink(missing_ok=True)


def _told(path: Path) -> str:
    """Return the digest of the weights that the file at `path` tells of; nothing where there is no such file."""
    try:
        return str(json.loads(path.read_bytes())["weights_sha256"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""
