"""Saving a search on its way, and taking it up again to the bit."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archdial.common.digests import digest_of
from archdial.common.documents import LARGEST, SEAL
from archdial.common.errors import UsageError, cut, first_line, short
from archdial.common.files import write_bytes
from archdial.common.limits import CountOrNone, Factor, Number, Share
from archdial.common.validation import conforming
from archdial.cost.table.several import tables_json
from archdial.searching.evaluation import Evaluated
from archdial.searching.state import SearchState
from archdial.space import Architecture

NAME = "checkpoint.pt"
_ALL_INPUTS = "2:"
"""What a fingerprint begins with that knows of images and first weights; older ones do not."""
_MOST = 64 * LARGEST


_OTHERS = ("place", "fingerprint", "generator", "dial", "archive", "pending")
_NOTES = {
    "weights_optimizer": frozenset({"momentum_buffer"}),
    "hypernet_optimizer": frozenset({"step", "exp_avg", "exp_avg_sq"}),
}
"""What SGD and Adam keep of each parameter, by the name of the part."""


@dataclass(frozen=True)
class Place:
    """Where a run stands: the next batch of an epoch of a phase."""

    phase: CountOrNone = 0
    epoch: CountOrNone = 0
    batch: CountOrNone = 0


_Row = tuple[tuple[CountOrNone, ...], Share, Number]


def save(path: Path, state: SearchState, place: Place) -> Path:
    """Write all that `state` changes to `path`, in one rename, with a digest of it."""
    value = {
        "place": [place.phase, place.epoch, place.batch],
        "fingerprint": _fingerprint(state),
        **{name: part.state_dict() for name, part in _parts(state).items()},
        "generator": state.generator.get_state(),
        "dial": state.dial.to_json(),
        "archive": [[list(item.architecture.options), item.accuracy, item.loss] for item in state.archive],
        "pending": [list(item.options) for item in state.pending],
    }
    stream = io.BytesIO()
    torch.save({**value, SEAL: digest_of(value)}, stream)
    return write_bytes(path, stream.getvalue())


def load(path: Path, state: SearchState) -> Place:
    """Put what `path` holds into `state`; return where the run stands.

    Raises:
        UsageError: the file is damaged, or belongs to another space, table, seed or other settings, or images or
            trained weights that the run was begun with are others now.
    """
    value = _read(path)
    _check_fingerprint(value["fingerprint"], path, state)
    try:
        _restore(value, state)
        return Place(*conforming(tuple[CountOrNone, CountOrNone, CountOrNone], value["place"], "place"))
    except (UsageError, KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
        raise _damaged(path, error) from None


def _restore(value: dict[str, Any], state: SearchState) -> None:
    if strange := [name for name in value if name not in (*_parts(state), *_OTHERS)]:
        raise ValueError(f"it holds {cut(str(strange[0]))}, which no checkpoint has")
    for name, notes in _NOTES.items():
        if value[name].keys() != {"state", "param_groups"}:
            raise ValueError(f"{name} has {short(list(value[name]))}, expected state and param_groups")
        _check_groups(name, value[name]["param_groups"], getattr(state, name).param_groups)
        _check_notes(name, value[name]["state"], notes)
    for name, part in _parts(state).items():
        part.load_state_dict(value[name])
    for name in _NOTES:
        _check_shapes(getattr(state, name))
    state.generator.set_state(value["generator"])
    state.dial = state.asked.restored(conforming(dict[str, Any], value["dial"], "dial"))
    rows = conforming(tuple[_Row, ...], value["archive"], "archive")
    state.archive = [Evaluated(Architecture(options), accuracy, loss) for options, accuracy, loss in rows]
    pending = conforming(tuple[tuple[CountOrNone, ...], ...], value["pending"], "pending")
    state.pending = [Architecture(options) for options in pending]
    for architecture in (*state.seen(), *state.pending):
        state.network.space.check(architecture)


def _parts(state: SearchState) -> dict[str, Any]:
    return {
        "network": state.network,
        "hypernet": state.hypernet,
        "predictor": state.predictor,
        "weights_optimizer": state.weights_optimizer,
        "hypernet_optimizer": state.hypernet_optimizer,
    }


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
            raise ValueError(f"{name} noted {short(list(notes))}, expected {', '.join(sorted(known))}")
        for key, note in notes.items():
            # SGD notes nothing before its first step with momentum, and says so.
            if note is None and key == "momentum_buffer":
                continue
            if not (isinstance(note, Tensor) and note.is_floating_point()):
                raise ValueError(f"{name} noted {key} as {type(note).__name__}, expected a tensor of numbers")
            if key == "step" and (note.numel() != 1 or not bool(note >= 0)):
                raise ValueError(f"{name} noted no number of steps, expected one, 0 or more")


def _check_shapes(optimizer: Any) -> None:
    """Refuse what an optimizer noted of a parameter of another shape: it would fail at its next step only."""
    for parameter, notes in optimizer.state.items():
        for name, note in notes.items():
            if isinstance(note, Tensor) and name != "step" and note.shape != parameter.shape:
                raise ValueError(f"{name} of shape {tuple(note.shape)}, expected {tuple(parameter.shape)}")


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST:
            raise ValueError("it is too large")
        value = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise _damaged(path, error) from None
    if not isinstance(value, dict) or not isinstance(value.get("fingerprint"), str) or "place" not in value:
        raise UsageError(f"{path} is no checkpoint of archdial: begin the run again")
    claimed = value.pop(SEAL, None)
    # An archdial whose fingerprints knew less wrote no digest.
    if claimed is None and not value["fingerprint"].startswith(_ALL_INPUTS):
        return value
    try:
        same = claimed == digest_of(value)
    except (TypeError, RuntimeError) as error:
        raise _damaged(path, error) from None
    if not same:
        raise UsageError(f"the checkpoint {path} was changed since it was written: restore a copy, or begin again")
    return value


def _damaged(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"the checkpoint {path} is damaged ({type(error).__name__}: {cut(first_line(error), 200)}): restore a copy, or "
        "begin the run again"
    )


def _check_fingerprint(found: str, path: Path, state: SearchState) -> None:
    if found in (_fingerprint(state), _settled(state)):
        return
    same_settings = found.startswith(_ALL_INPUTS) and found.split(":")[1] == _settled(state)
    what = "other images, labels or trained weights" if same_settings else "another recipe, table or seed"
    raise UsageError(f"the run in {path.parent} was begun with {what}: resume it with its own, or choose another --out")


def _fingerprint(state: SearchState) -> str:
    """Return what is equal for runs with equal inputs: settings and tables, then images and first weights."""
    inputs = digest_of([state.data.digest, state.origin])
    return f"{_ALL_INPUTS}{_settled(state)}:{inputs}"


def _settled(state: SearchState) -> str:
    sizes = (len(state.data.weights), len(state.data.validation))
    plans = state.network.to_json(), tables_json(state.tables), state.asked.to_json()
    return hashlib.sha256(repr((plans, state.settings, state.seed, state.frozen, sizes)).encode()).hexdigest()
