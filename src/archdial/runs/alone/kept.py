"""The files of individually trained members: weights, and a JSON file with their origin."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from archdial.common.documents import check_seal, is_version, read_bytes, read_json, sealed
from archdial.common.errors import UsageError, first_line
from archdial.common.files import write_bytes, write_json
from archdial.common.limits import Name, Number, Text
from archdial.common.validation import validated
from archdial.common.versions import versions
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.refining.refit import Trained
from archdial.runs.alone.plan import PLAN, Schooling
from archdial.runs.folder import REFINED
from archdial.space import Architecture

FORMAT, VERSION = "archdial.trained_member", 1
SPLIT = "validation"
_AGAIN = "delete it to have the member trained again"


@dataclass(frozen=True)
class _KeptFile:
    """What NAME.json holds, as far as anything depends on it."""

    format: Literal["archdial.trained_member"]
    version: Literal[1]
    architecture: Mapping[Name, Name]
    score: Number
    alike: Text
    weights_sha256: Text


def files_of(run: Path, name: str) -> tuple[Path, Path]:
    """Return where weights and JSON of the member `name` are in the folder of a run."""
    return run / REFINED / f"{name}.safetensors", run / REFINED / f"{name}.json"


def checkpoint_of(run: Path, name: str) -> Path:
    """Return where the member `name` is while it is trained."""
    return run / REFINED / f"{name}.checkpoint.pt"


def keep(run: Path, member: Member, schooling: Schooling, module: nn.Module, score: float, told: dict[str, Any]) -> str:
    """Write a trained member, JSON last: with it the member counts as trained; return its name.

    Args:
        module: with the parameters of the built member whose layers are not merged.
        score: on validation data.
        told: what else the file is to say: device, config.
    """
    name, measure = schooling.name(member.architecture), member.measure
    weights, path = files_of(run, name)
    data = save({key: tensor.detach().cpu().contiguous() for key, tensor in module.state_dict().items()})
    value = {
        "format": FORMAT,
        "version": VERSION,
        "name": name,
        "architecture": member.to_json()["architecture"],
        "score": score,
        "score_name": measure.name,
        "split": SPLIT,
        "inherited": {"score": member.score, "from": member.score_from},
        "weights": schooling.weights,
        "epochs": schooling.settings.epochs,
        "settings": asdict(schooling.settings),
        "seed": schooling.seed,
        "alike": schooling.alike,
        "versions": versions(),
        **told,
        "weights_sha256": hashlib.sha256(data).hexdigest(),
    }
    write_bytes(weights, data)
    write_json(path, sealed(value))
    return name


def is_kept(run: Path, name: str) -> bool:
    """Tell whether the member `name` was trained to its end."""
    return all(path.is_file() for path in files_of(run, name))


def kept_members(run: Path, family: Family, schooling: Schooling) -> list[Trained]:
    """Return all members in the folder of a run that were trained as `schooling` says, cheapest first.

    Raises:
        UsageError: a file is damaged.
    """
    cost, found = family.costs[family.column], []
    for path in sorted((run / REFINED).glob(f"{schooling.weights}-*.json")):
        if path.name != PLAN and is_kept(run, path.stem):
            file = _read(path)
            architecture = family.space.parse(file.architecture) if file.alike == schooling.alike else None
            if architecture is not None and schooling.name(architecture) == path.stem:
                found.append(Trained(architecture, family.task.measure.checked(file.score), path.stem))
    return sorted(found, key=lambda one: (cost.of(one.architecture), one.architecture))


def trained_module(run: Path, member: Member) -> nn.Module:
    """Return the built `member` of a refined family with the weights that it was trained to, in eval mode.

    Raises:
        UsageError: it was not trained, or its files are missing or damaged.
    """
    after = member.after_training
    if after is None or after.name is None:
        raise UsageError(
            "this member was not trained individually: choose one that was, or train it with `archdial finetune`"
        )
    module = member.build(merge=False)
    try:
        module.load_state_dict(_weights(run, after.name, member.family.space.parse, member.architecture))
    except RuntimeError as error:
        path = files_of(run, after.name)[0]
        raise UsageError(f"{path} does not fit its member ({first_line(error)}): {_AGAIN}") from None
    return member.merged(module)


def _weights(run: Path, name: str, parse: Any, architecture: Architecture) -> dict[str, Tensor]:
    weights, path = files_of(run, name)
    file = _read(path)
    data = read_bytes(weights, "weights", largest=2**40)
    if hashlib.sha256(data).hexdigest() != file.weights_sha256 or parse(file.architecture) != architecture:
        raise UsageError(f"{weights} was edited, is damaged, or belongs to another member: {_AGAIN}")
    try:
        tensors: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise UsageError(f"{weights} is damaged ({first_line(error)}): {_AGAIN}") from None
    return tensors


def _read(path: Path) -> _KeptFile:
    value = read_json(path, "trained member")
    if value.get("format") != FORMAT or not is_version(value.get("version"), VERSION):
        raise UsageError(f"{path} is not a trained member of version {VERSION}: {_AGAIN}")
    check_seal(value, path, _AGAIN, needed=True)
    try:
        return validated(_KeptFile, value)
    except UsageError as error:
        raise UsageError(f"{path} is damaged ({error}): {_AGAIN}") from None
