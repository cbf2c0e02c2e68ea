"""Saving a search in progress, and resuming it bit-identically."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError
from archdial.common.limits import CountOrNone, Number
from archdial.common.validation import conforming
from archdial.cost.table.several import tables_json
from archdial.data import SearchData
from archdial.searching.evaluation import Evaluated
from archdial.searching.state import SearchState
from archdial.searching.views import Views
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from archdial.training.checkpoint import (
    check_names,
    check_optimizer,
    check_shapes,
    read_checkpoint,
    restoring,
    write_checkpoint,
)
from archdial.training.descent import NOTES, precision_state, restore_precision
from archdial.training.step import Place

NAME = "checkpoint.pt"
_ALL_INPUTS = "2:"
"""What a fingerprint begins with that knows of images and first weights; older ones do not."""

_OTHERS = ("place", "fingerprint", "generator", "dial", "archive", "pending", "precision", "views")
_OPTIMIZERS = ("weights_optimizer", "hypernet_optimizer")


_Row = tuple[tuple[CountOrNone, ...], Number, Number]


def save(path: Path, state: SearchState, place: Place) -> Path:
    """Write all that `state` changes to `path`, in one rename, with a digest of it."""
    value = {
        "place": place.to_json(),
        "fingerprint": _fingerprint(state),
        **{name: part.state_dict() for name, part in _parts(state).items()},
        "generator": state.generator.get_state(),
        "dial": state.dial.to_json(),
        "archive": [item.row() for item in state.archive],
        "pending": [list(item.options) for item in state.pending],
    }
    # Only half precision has any, and who reads older files finds none.
    if scale := precision_state(state.fabric):
        value["precision"] = scale
    if state.views is not None:
        value["views"] = [[list(item.options), list(row)] for item, row in state.views.rows.items()]
    return write_checkpoint(path, value)


def load(path: Path, state: SearchState) -> Place:
    """Put what `path` holds into `state`; return where the run stands.

    Raises:
        UsageError: the file is damaged, or belongs to another space, table, seed or other settings, or images or
            trained weights that the run was begun with are others now.
    """
    value = read_checkpoint(path, sealed=lambda fingerprint: fingerprint.startswith(_ALL_INPUTS))
    _check_fingerprint(value["fingerprint"], path, state)
    with restoring(path):
        _restore(value, state)
        return Place.of(value["place"])


def _restore(value: dict[str, Any], state: SearchState) -> None:
    check_names(value, (*_parts(state), *_OTHERS))
    for name, kind in zip(_OPTIMIZERS, (state.settings.optimizer, "adamw"), strict=True):
        check_optimizer(name, value[name], getattr(state, name), NOTES[kind])
    for name, part in _parts(state).items():
        part.load_state_dict(value[name])
    for name in _OPTIMIZERS:
        check_shapes(getattr(state, name))
    restore_precision(state.fabric, conforming(dict[str, Any], value.get("precision", {}), "precision"))
    state.generator.set_state(value["generator"])
    state.dial = state.asked.restored(conforming(dict[str, Any], value["dial"], "dial"))
    rows = conforming(tuple[_Row, ...], value["archive"], "archive")
    measure = state.task.measure
    state.archive = [
        Evaluated(Architecture(options), measure.checked(score), loss, measure) for options, score, loss in rows
    ]
    pending = conforming(tuple[tuple[CountOrNone, ...], ...], value["pending"], "pending")
    state.pending = [Architecture(options) for options in pending]
    for architecture in (*state.seen(), *state.pending):
        state.network.space.check(architecture)
    if state.views is not None:
        _restore_views(value.get("views"), state, state.views)


def _restore_views(value: object, state: SearchState, views: Views) -> None:
    """Put the rows of views back, and what they were last judged to say of the archive."""
    rows = conforming(tuple[tuple[tuple[CountOrNone, ...], tuple[Number, ...]], ...], value, "views")
    views.rows = {Architecture(options): row for options, row in rows}
    for architecture, row in views.rows.items():
        state.network.space.check(architecture)
        if len(row) != len(views.names):
            raise UsageError(f"views has {len(row)} numbers for an architecture: expected {len(views.names)}")
    if missing := set(state.seen()) - set(views.rows):
        raise UsageError(f"views lacks {len(missing)} evaluated architectures")
    # What an interrupted epoch is evaluating is judged when that ends, as is all else then.
    if state.archive and not state.pending:
        state.weigh()


def _parts(state: SearchState) -> dict[str, Any]:
    return {
        "network": state.network,
        "hypernet": state.hypernet,
        "predictor": state.predictor,
        "weights_optimizer": state.weights_optimizer,
        "hypernet_optimizer": state.hypernet_optimizer,
    }


def _check_fingerprint(found: str, path: Path, state: SearchState) -> None:
    if found in (_fingerprint(state), _settled(state)):
        return
    same_settings = found.startswith(_ALL_INPUTS) and found.split(":")[1] == _settled(state)
    what = "other images, labels or trained weights" if same_settings else "another recipe, table or seed"
    raise UsageError(
        f"the run in {path.parent} was started with {what}: resume it with the original ones, or choose another --out"
    )


def _fingerprint(state: SearchState) -> str:
    """Return what is equal for runs with equal inputs: settings and tables, then images and first weights."""
    usual = state.task.measure == ACCURACY and isinstance(state.data, SearchData)
    task = [] if usual else [state.task.measure.to_json()]
    inputs = digest_of([state.data.digest, state.origin, *task])
    return f"{_ALL_INPUTS}{_settled(state)}:{inputs}"


def _settled(state: SearchState) -> str:
    sizes = (len(state.data.weights), len(state.data.validation))
    plans = state.network.to_json(), tables_json(state.tables), state.asked.to_json()
    return hashlib.sha256(repr((plans, state.settings, state.seed, state.frozen, sizes)).encode()).hexdigest()
