"""A training in progress as a file: written atomically, sealed, and read without executing pickles."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archdial.common.digests import digest_of
from archdial.common.documents import LARGEST, SEAL
from archdial.common.errors import UsageError, cut, first_line, short
from archdial.common.files import write_bytes
from archdial.common.held import check_held
from archdial.common.limits import Factor
from archdial.common.torch_file import load_saved
from archdial.common.validation import conforming

_MOST = 64 * LARGEST
_REPEATED, _SPARE = 16, 2**27
"""How often a checkpoint may hold one thing: weights that are tied, names. A small one may do so more often."""


def write_checkpoint(path: Path, value: dict[str, Any]) -> Path:
    """Write `value`, which has a `fingerprint` and a `place`, to `path` with a digest of it."""
    stream = io.BytesIO()
    torch.save({**value, SEAL: digest_of(value)}, stream)
    return write_bytes(path, stream.getvalue())


def read_checkpoint(path: Path, sealed: Callable[[str], bool] = lambda fingerprint: True) -> dict[str, Any]:
    """Return the value that `write_checkpoint` wrote to `path`.

    Args:
        sealed: from a fingerprint to whether files that have it must have a digest: an older archdial wrote none.

    Raises:
        UsageError: it is no checkpoint, or it was damaged or changed.
    """
    try:
        if path.stat().st_size > _MOST:
            raise ValueError("it is too large")
        value = load_saved(path)
    except Exception as error:
        raise _damaged(path, error) from None
    if not isinstance(value, dict) or not isinstance(value.get("fingerprint"), str) or "place" not in value:
        raise UsageError(f"{path} is not an archdial checkpoint: start the run again")
    claimed = value.pop(SEAL, None)
    try:
        found = digest_of(value, _REPEATED * path.stat().st_size + _SPARE)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _damaged(path, error) from None
    if claimed != found and (claimed is not None or sealed(value["fingerprint"])):
        raise UsageError(f"the checkpoint {path} has changed since it was written: restore a copy, or start again")
    return value


def remove_checkpoint(path: Path) -> None:
    """Remove what is no longer needed, as the training is over and its result saved.

    Raises:
        RunError: another process has taken over the folder.
    """
    check_held(path)
    path.unlink(missing_ok=True)


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"the checkpoint {path} is damaged ({type(error).__name__}: {cut(first_line(error), 200)}): restore a copy, or "
        "start the run again"
    )


@contextmanager
def restoring(path: Path) -> Iterator[None]:
    """Within, whatever the contents of a damaged `path` bring about is told as damage of it."""
    try:
        yield
    except (UsageError, KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise _damaged(path, error) from None


def check_names(value: dict[str, Any], known: Iterable[str]) -> None:
    """Raise ValueError where `value` holds anything but what is `known`."""
    if strange := [name for name in value if name not in {*known}]:
        raise ValueError(f"it contains {cut(str(strange[0]))}, which no checkpoint has")


def check_optimizer(name: str, value: Any, optimizer: Any, notes: frozenset[str]) -> None:
    """Raise ValueError unless `value` is the state of an optimizer like this one, which has `notes` of a parameter."""
    if value.keys() != {"state", "param_groups"}:
        raise ValueError(f"{name} has {short(list(value))}, expected state and param_groups")
    _check_groups(name, value["param_groups"], optimizer.param_groups)
    _check_notes(name, value["state"], notes)


def check_shapes(optimizer: Any) -> None:
    """Refuse what an optimizer noted of a parameter of another shape: it would fail at its next step only."""
    for parameter, notes in optimizer.state.items():
        for name, note in notes.items():
            if isinstance(note, Tensor) and name != "step" and note.shape != parameter.shape:
                raise ValueError(f"{name} of shape {tuple(note.shape)}, expected {tuple(parameter.shape)}")


def _check_groups(name: str, found: Any, own: Any) -> None:
    """Refuse other settings than those that the optimizer was made with, which the recipe decides; rates change."""
    if len(found) != len(own):
        raise ValueError(f"{name} has {len(found)} groups, expected {len(own)}")
    for theirs, ours in zip(found, own, strict=True):
        conforming(Factor, theirs["lr"], f"{name}.lr")
        for key, value in theirs.items():
            expected = list(range(len(ours["params"]))) if key == "params" else ours.get(key)
            if key != "lr" and (key not in ours or digest_of([value]) != digest_of([expected])):
                raise ValueError(f"{name} has {cut(str(key))} = {short(value)}, expected {short(expected)}")


def _check_notes(name: str, found: Any, known: frozenset[str]) -> None:
    """Refuse notes on a parameter that the optimizer would trip over at its next step only."""
    for notes in found.values():
        if notes and {*notes} != known:
            raise ValueError(f"{name} has the state {short(list(notes))}, expected {', '.join(sorted(known))}")
        for key, note in notes.items():
            # SGD notes nothing before its first step with momentum, and says so.
            if note is None and key == "momentum_buffer":
                continue
            if not (isinstance(note, Tensor) and note.is_floating_point()):
                raise ValueError(f"{name} has {key} as {type(note).__name__}, expected a tensor of numbers")
            if key == "step" and (note.numel() != 1 or not bool(note >= 0)):
                raise ValueError(f"{name} has no step count, expected one, 0 or more")
