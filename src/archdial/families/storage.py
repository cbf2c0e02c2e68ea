"""A family, or one member of it, on disk: JSON beside weights.safetensors, no pickle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from archdial.common.documents import check_seal, digest, is_version, read_json
from archdial.common.errors import UsageError, short
from archdial.common.validation import validated
from archdial.cost.table.table import CostTable
from archdial.data import Normalize
from archdial.dial import make_dial
from archdial.exporting.built import BuiltMember
from archdial.families.calibration import calibration_in, calibration_tensors
from archdial.families.family import Family
from archdial.families.family_file import FORMAT, MEMBER_FORMAT, VERSION, FamilyFile, MemberFile
from archdial.families.hardware import Answering, Devices
from archdial.families.member import Member
from archdial.families.stored_archive import archive_json, stored_archive
from archdial.families.stored_choices import check_choices, choices_json
from archdial.families.stored_network import (
    check_calibration,
    check_channels,
    check_names,
    check_together,
    load_state,
    open_member,
    open_network,
    recall,
)
from archdial.families.stored_readout import readout_json, take_readout
from archdial.families.stored_refinement import refined_json, stored_refinement
from archdial.families.stored_task import normalize_json, stored_task, task_json
from archdial.families.weights_file import WEIGHTS, Replaced, read_tensors, write_pair
from archdial.hypernet import Hypernetwork, make_hypernet
from archdial.networks.example import shapes_of
from archdial.networks.pretrained import Pretrained, taught
from archdial.networks.supernet import Supernet
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Space
from archdial.tasks.measure import ACCURACY
from archdial.tasks.task import Task

T = TypeVar("T")
FAMILY, ARCHITECTURE = "family.json", "architecture.json"


def save_family(family: Family, folder: Path) -> Path:
    """Write `family` to `folder`; return the path of family.json, which is put there last and makes it whole."""
    return write_pair(folder / FAMILY, family_json(family), _tensors(family))


def family_json(family: Family) -> dict[str, Any]:
    """Return what family.json says of `family`, but for the digests."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "network": family.network.to_json(),
        "space": family.space.fingerprint,
        "choices": choices_json(family.network),
        "hypernet": {"features": family.shared_hypernet.features, **family.shared_hypernet.to_json()},
        "dial": family.dial.to_json(),
        "column": family.column,
        "table": family.table.to_json(),
        "normalize": normalize_json(family.normalize),
        **task_json(family.own_task),
        "classes": list(family.classes),
        **archive_json(family.archive),
        "info": family.info,
        "device": family.device,
        "devices": None if family.devices is None else family.devices.to_json(),
        **refined_json(family.refinement),
        **readout_json(family.network),
    }


def load_family(
    folder: str | Path, model: nn.Module | None = None, *, trust: bool = False, task: Task | None = None
) -> Family:
    """Return the family in `folder`.

    Args:
        folder: the run folder.
        model: the model that was pruned, if it was passed in Python; its weights do not matter.
        trust: allow calling the code that the files name, if a callable created the model. A file never causes code
            to run: without this or `model`, the family only provides figures, and building says what is missing.
        task: the task, if it is a custom one; only needed for training and scores.

    Raises:
        UsageError: a file is missing, truncated or edited, or comes from a newer archdial.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: pass a folder written by `archdial search --out`")
    path = folder / FAMILY
    try:
        return _family(*_twice(lambda: _family_files(path)), model, trust, task)
    except UsageError as error:
        raise _of(path, error) from None


def _family_files(path: Path) -> tuple[FamilyFile, dict[str, Tensor]]:
    value = _checked(read_json(path, "family"), path, FORMAT, "restore a copy, or search again")
    file = validated(FamilyFile, value)
    return file, read_tensors(path.with_name(WEIGHTS), file.weights_sha256)


def _twice(read: Callable[[], T]) -> T:
    """Return what is read, at the second attempt where the files were replaced during the first."""
    try:
        return read()
    except Replaced:
        return read()


def _family(
    file: FamilyFile, tensors: dict[str, Tensor], model: nn.Module | None, trust: bool, task: Task | None = None
) -> Family:
    check_names(tensors)
    normalize, own_task = stored_task(file, task)
    if normalize is not None:
        check_calibration(tensors.get("calibration"), file)
    network = _network(file, tensors, model, trust)
    hypernet = _hypernet(file, network.space, tensors)
    measure = ACCURACY if own_task is None else own_task.measure
    predictor = ErrorPredictor(network.space, measure)
    for name, module in (("network", network), ("predictor", predictor)):
        load_state(module, _under(name, tensors), name)
    recall(network, _under("untouched", tensors))
    network.eval()
    answers = _answering(file, hypernet)
    archive = stored_archive(file, network, measure)
    refinement = stored_refinement(file.refined, network, measure, archive, _under("refined", tensors))
    family = Family(
        network=network,
        table=answers.table,
        dial=answers.dial,
        hypernet=answers.hypernet,
        device=answers.device,
        devices=answers.devices,
        predictor=predictor,
        normalize=normalize,
        calibration=tensors["calibration"] if normalize is not None else calibration_in(tensors, network),
        own_task=None if own_task is None else taught(own_task, network),
        archive=archive,
        classes=tuple(file.classes),
        column=file.column,
        info=dict(file.info),
        refinement=refinement,
    )
    check_together(family)
    return family


def _network(file: FamilyFile, tensors: dict[str, Tensor], model: nn.Module | None, trust: bool) -> Supernet:
    network = open_network(file.network, _under("network", tensors), model, trust, file.choices)
    if network.space.fingerprint != file.space:
        raise UsageError(
            f"the network's choices differ from the family's (space {file.space}): pass the model of the search"
        )
    if file.choices is not None:
        check_choices(network, file.choices)
    take_readout(network, file.readout)
    return network


def _hypernet(file: FamilyFile, space: Space, tensors: dict[str, Tensor]) -> Hypernetwork:
    settings = {name: setting for name, setting in file.hypernet.items() if name not in ("kind", "features")}
    hypernet = make_hypernet(file.hypernet["kind"], space, file.hypernet["features"], **settings)
    load_state(hypernet, _under("hypernet", tensors), "hypernet")
    if any(value != hypernet.settings().get(name) for name, value in settings.items() if value is not None):
        raise UsageError("the settings of its hypernetwork do not match its weights: restore a copy")
    return hypernet


def _answering(file: FamilyFile, hypernet: Hypernetwork) -> Answering:
    """Return table, dial and hypernetwork of the hardware that the family answers for, and all of it if several."""
    if file.devices is not None:
        own = file.devices.each.get(str(file.device))
        # By digest, as to Python true is 1.
        if own is not None and digest({"table": own.table, "dial": own.dial}) != digest(
            {"table": file.table, "dial": file.dial}
        ):
            raise UsageError(f"its table or dial differs from that of its device {file.device!r}: restore a copy")
        return Devices.of(file.devices, hypernet).view(str(file.device))
    if file.device is not None:
        raise UsageError(f"it answers for {file.device!r} but lists no devices: restore a copy")
    table = CostTable.from_json(file.table, "its cost table")
    return Answering(table, make_dial(file.dial), hypernet)


def _tensors(family: Family) -> dict[str, Tensor]:
    parts = {"network": family.network, "hypernet": family.shared_hypernet, "predictor": family.predictor}
    if family.refinement is not None:
        parts["refined"] = family.refinement.predictor
    states = {f"{name}.{key}": t for name, part in parts.items() for key, t in part.state_dict().items()}
    if isinstance(family.network, Pretrained):
        states |= {f"untouched.{key}": tensor for key, tensor in family.network.changed().items()}
    return {name: t.detach().cpu().contiguous() for name, t in (states | calibration_tensors(family)).items()}


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _checked(value: dict[str, Any], path: Path, expected: str, fix: str) -> dict[str, Any]:
    """Return `value`, which `path` holds, if it is of the format `expected` and as it was written."""
    if value.get("format") != expected:
        raise UsageError(f"{path} has format {short(value.get('format'))}, expected {expected!r}: pass another folder")
    if not is_version(value.get("version"), VERSION):
        raise UsageError(
            f"{path} has version {short(value.get('version'))}, this archdial reads version {VERSION}: update archdial"
        )
    check_seal(value, path, fix, needed=True)
    return value


def _of(path: Path, error: UsageError) -> UsageError:
    """Return `error` with the file that it is about, if it names no file of the folder itself."""
    named = any(str(path.parent / name) in str(error) for name in (path.name, WEIGHTS))
    return error if named else UsageError(f"{path}: {error}")


def save_member(member: Member, folder: Path, module: nn.Module | None = None) -> Path:
    """Save `member` to `folder` as weights.safetensors and architecture.json; return the path of the latter.

    Args:
        module: the built member after fine-tuning or retraining; by default it is built with inherited weights.
    """
    built = member.built(module)
    state = {name: tensor.contiguous() for name, tensor in built.module.state_dict().items()}
    value = {
        "format": MEMBER_FORMAT,
        "version": VERSION,
        "network": member.family.network.to_json(),
        "normalize": normalize_json(built.normalize),
        "classes": list(built.classes),
        "member": built.figures,
    }
    # A module that was trained unmerged may be saved so.
    names = {name for name, _ in built.module.named_modules()}
    if merged := [list(row) for row in member.merging if not names.issuperset(row)]:
        value["merged"] = merged
    return write_pair(folder / ARCHITECTURE, value, state)


def load_built(folder: str | Path, model: nn.Module | None = None, *, trust: bool = False) -> BuiltMember:
    """Return all that `save_member` wrote to `folder`; module, `model` and `trust` are as for `load_member`.

    Raises:
        UsageError: a file is missing, truncated or edited, or comes from a newer archdial.
    """
    path = Path(folder) / ARCHITECTURE
    try:
        file, tensors, figures = _twice(lambda: _member_files(path))
        module, example = open_member(file.network, tensors, model, trust, file.member["architecture"], file.merged)
        normalize = None if file.normalize is None else Normalize(file.normalize.mean, file.normalize.std)
        shape = shapes_of(example)[0]
        check_channels(shape, normalize, file.classes, module)
    except UsageError as error:
        raise _of(path, error) from None
    return BuiltMember(
        module=module.eval(),
        input_shape=shape,
        normalize=normalize,
        classes=tuple(file.classes),
        figures=figures,
        example=example,
    )


def _member_files(path: Path) -> tuple[MemberFile, dict[str, Tensor], dict[str, Any]]:
    value = _checked(read_json(path, "member"), path, MEMBER_FORMAT, "restore a copy, or pick again")
    file = validated(MemberFile, value)
    return file, read_tensors(path.with_name(WEIGHTS), file.weights_sha256), value["member"]


def load_member(folder: str | Path, model: nn.Module | None = None, *, trust: bool = False) -> nn.Module:
    """Return the plain module that `save_member` wrote to `folder`, in eval mode.

    Args:
        folder: the member's folder.
        model: as for `load_family`.
        trust: as for `load_family`; without the code that creates the model, there is no module.

    Raises:
        UsageError: a file is missing, truncated or edited, or comes from a newer archdial.
    """
    return load_built(folder, model, trust=trust).module
