"""Saving a search on its way, and taking it up again to the bit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from archdial.cost.tables import tables_json
from archdial.errors import UsageError
from archdial.files import write_atomically
from archdial.searching.evaluation import Evaluated
from archdial.searching.state import SearchState
from archdial.space import Architecture

NAME = "checkpoint.pt"


@dataclass(frozen=True)
class Place:
    """Where a run stands: the next batch of an epoch of a phase."""

    phase: int = 0
    epoch: int = 0
    batch: int = 0


def save(path: Path, state: SearchState, place: Place) -> Path:
    """Write all that `state` changes to `path`, in one rename."""
    value = {
        "place": [place.phase, place.epoch, place.batch],
        "fingerprint": _fingerprint(state),
        "network": state.network.state_dict(),
        "hypernet": state.hypernet.state_dict(),
        "predictor": state.predictor.state_dict(),
        "weights_optimizer": state.weights_optimizer.state_dict(),
        "hypernet_optimizer": state.hypernet_optimizer.state_dict(),
        "generator": state.generator.get_state(),
        "dial": state.dial.to_json(),
        "archive": [[list(item.architecture.options), item.accuracy, item.loss] for item in state.archive],
        "pending": [list(item.options) for item in state.pending],
    }
    return write_atomically(path, lambda temporary: torch.save(value, temporary))


def load(path: Path, state: SearchState) -> Place:
    """Put what `path` holds into `state`; return where the run stands.

    Raises:
        UsageError: the file is damaged, or belongs to another space, table, seed or other settings.
    """
    value = _read(path)
    if value["fingerprint"] != _fingerprint(state):
        raise UsageError(
            f"the run in {path.parent} was begun with another recipe, table or seed: resume it with its own, "
            "or choose another --out"
        )
    state.network.load_state_dict(value["network"])
    state.hypernet.load_state_dict(value["hypernet"])
    state.predictor.load_state_dict(value["predictor"])
    state.weights_optimizer.load_state_dict(value["weights_optimizer"])
    state.hypernet_optimizer.load_state_dict(value["hypernet_optimizer"])
    state.generator.set_state(value["generator"])
    state.dial = state.asked.restored(value["dial"])
    state.archive = [Evaluated(Architecture(tuple(o)), accuracy, loss) for o, accuracy, loss in value["archive"]]
    state.pending = [Architecture(tuple(options)) for options in value["pending"]]
    return Place(*value["place"])


def _read(path: Path) -> dict[str, Any]:
    try:
        value = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:
        raise UsageError(f"the checkpoint {path} is damaged ({error}): begin the run anew") from None
    if not isinstance(value, dict) or "place" not in value:
        raise UsageError(f"{path} is no checkpoint of archdial: begin the run anew")
    return value


def _fingerprint(state: SearchState) -> str:
    sizes = (len(state.data.weights), len(state.data.validation))
    plans = state.network.to_json(), tables_json(state.tables), state.asked.to_json()
    return hashlib.sha256(repr((plans, state.settings, state.seed, state.frozen, sizes)).encode()).hexdigest()
