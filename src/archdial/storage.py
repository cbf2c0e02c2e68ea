"""A family, or one member of it, on disk: JSON beside weights.safetensors, no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from archdial.built import BuiltMember
from archdial.cost.table import CostTable
from archdial.data import Normalize
from archdial.devices import Devices
from archdial.dial import make_dial
from archdial.errors import UsageError, unknown
from archdial.family import Family
from archdial.files import json_text, read_json, replacing
from archdial.hypernet import Hypernetwork, make_hypernet
from archdial.member import Member
from archdial.networks.base import Supernet
from archdial.networks.cells import CellNetwork
from archdial.networks.gated import GatedNetwork
from archdial.networks.nas_bench_201 import NasBench201
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import AccuracyPredictor
from archdial.space import Architecture

FORMAT, MEMBER_FORMAT, VERSION = "archdial.family", "archdial.member", 1
FAMILY, ARCHITECTURE, WEIGHTS = "family.json", "architecture.json", "weights.safetensors"
NETWORKS: dict[str, Callable[..., Supernet]] = {
    CellNetwork.kind: CellNetwork.from_json,
    NasBench201.kind: NasBench201.from_json,
    GatedNetwork.kind: GatedNetwork.from_json,
}


def save_family(family: Family, folder: Path) -> Path:
    """Write `family` to `folder`; return the path of family.json, which is put there last and makes it whole."""
    value = {
        "format": FORMAT,
        "version": VERSION,
        "network": family.network.to_json(),
        "space": family.space.fingerprint,
        "hypernet": {"features": family.shared_hypernet.features, **family.shared_hypernet.to_json()},
        "dial": family.dial.to_json(),
        "column": family.column,
        "table": family.table.to_json(),
        "normalize": {"mean": family.normalize.mean, "std": family.normalize.std},
        "classes": list(family.classes),
        "archive": [[list(item.architecture.options), item.accuracy, item.loss] for item in family.archive],
        "info": family.info,
        "device": family.device,
        "devices": None if family.devices is None else family.devices.to_json(),
    }
    return _write(folder / FAMILY, value, _tensors(family))


def load_family(folder: str | Path, model: nn.Module | None = None) -> Family:
    """Return the family in `folder`.

    Args:
        folder: of the run.
        model: that the gates were put on, where it was handed over in Python; its weights do not matter.

    Raises:
        UsageError: a file is missing, cut off or edited, or comes from a newer archdial.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UsageError(f"no run at {folder}: name the folder that `archdial search --out` wrote")
    path = folder / FAMILY
    value = read_json(path, "family")
    _check(value, path, FORMAT)
    tensors = _read_tensors(folder / WEIGHTS, value["weights_sha256"])
    network = _network(value["network"], model)
    hypernet = make_hypernet(space=network.space, **value["hypernet"])
    predictor = AccuracyPredictor(network.space)
    for name, module in (("network", network), ("hypernet", hypernet), ("predictor", predictor)):
        module.load_state_dict(_under(name, tensors))
    network.recall(_under("untouched", tensors))
    network.eval()
    return Family(
        network=network,
        **_answering(value, hypernet, path),
        predictor=predictor,
        normalize=Normalize(**value["normalize"]),
        calibration=tensors["calibration"],
        archive=tuple(_evaluated(network, item) for item in value["archive"]),
        classes=tuple(value["classes"]),
        column=value["column"],
        info=value["info"],
    )


def _answering(value: dict[str, Any], hypernet: Hypernetwork, path: Path) -> dict[str, Any]:
    """Return table, dial and hypernetwork of the device that the family answers for, and all devices if several."""
    if value.get("devices") is not None:
        return Devices.from_json(value["devices"], hypernet, str(path)).view(value["device"])
    table = CostTable.from_json(value["table"], f"the cost table in {path}")
    return {"hypernet": hypernet, "dial": make_dial(value["dial"]), "table": table}


def _write(path: Path, value: dict[str, Any], tensors: dict[str, Tensor]) -> Path:
    """Write `value` to `path` and `tensors` beside it; where either fails, both files stay what they were."""
    with replacing(path) as text, replacing(path.parent / WEIGHTS) as weights:
        save_file(tensors, weights)
        whole = {**value, "weights_sha256": _sha256(weights)}
        text.write_text(json_text({**whole, "sha256": _digest(whole)}), encoding="utf-8")
    return path


def _tensors(family: Family) -> dict[str, Tensor]:
    parts = {"network": family.network, "hypernet": family.shared_hypernet, "predictor": family.predictor}
    states = {f"{name}.{key}": t for name, part in parts.items() for key, t in part.state_dict().items()}
    states |= {f"untouched.{key}": tensor for key, tensor in family.network.changed().items()}
    return {name: tensor.detach().cpu().contiguous() for name, tensor in states.items()} | {
        "calibration": family.calibration.contiguous()
    }


def _under(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    start = prefix + "."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _network(value: dict[str, Any], model: nn.Module | None) -> Supernet:
    kind = str(value.get("kind"))
    if kind not in NETWORKS:
        raise unknown("network", kind, NETWORKS)
    if model is not None and kind != GatedNetwork.kind:
        raise UsageError("this is a family of cells, which needs no model: leave out model=…")
    return NETWORKS[kind](value) if model is None else NETWORKS[kind](value, model)


def _evaluated(network: Supernet, item: list[Any]) -> Evaluated:
    architecture = Architecture(tuple(item[0]))
    network.space.check(architecture)
    return Evaluated(architecture, float(item[1]), float(item[2]))


def _check(value: dict[str, Any], path: Path, expected: str) -> None:
    if value.get("format") != expected:
        raise UsageError(f"{path} has format {value.get('format')!r}, expected {expected!r}: name another folder")
    if value.get("version") != VERSION:
        raise UsageError(
            f"{path} has version {value.get('version')}, this archdial reads version {VERSION}: update archdial"
        )
    claimed = value.pop("sha256", None)
    if claimed != _digest(value):
        raise UsageError(f"{path} was edited or damaged after it was written: restore a copy, or search again")


def _read_tensors(path: Path, sha256: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise UsageError(f"no weights at {path}: copy the whole folder of the run")
    if _sha256(path) != sha256:
        raise UsageError(f"{path} is not the file that was written with its family: restore a copy of the whole folder")
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except SafetensorError as error:
        raise UsageError(f"{path} is damaged ({error}): restore a copy") from None
    return tensors


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save_member(member: Member, folder: Path, module: nn.Module | None = None) -> Path:
    """Write `member` to `folder` as weights.safetensors and architecture.json; return the path of the latter.

    Args:
        module: the built member after fine-tuning or retraining; by default it is built with inherited weights.
    """
    built = member.built(module)
    state = {name: tensor.contiguous() for name, tensor in built.module.state_dict().items()}
    value = {
        "format": MEMBER_FORMAT,
        "version": VERSION,
        "network": member.family.network.to_json(),
        "normalize": {"mean": built.normalize.mean, "std": built.normalize.std},
        "classes": list(built.classes),
        "member": built.figures,
    }
    return _write(folder / ARCHITECTURE, value, state)


def load_built(folder: str | Path, model: nn.Module | None = None) -> BuiltMember:
    """Return all that `save_member` wrote to `folder`; module and `model` are as for `load_member`.

    Raises:
        UsageError: a file is missing, cut off or edited, or comes from a newer archdial.
    """
    path = Path(folder) / ARCHITECTURE
    value = read_json(path, "member")
    _check(value, path, MEMBER_FORMAT)
    network = _network(value["network"], model)
    module = network.build(network.space.parse(value["member"]["architecture"]))
    module.load_state_dict(_read_tensors(Path(folder) / WEIGHTS, value["weights_sha256"]))
    return BuiltMember(
        module=module.eval(),
        input_shape=network.input_shape,
        normalize=Normalize(**value["normalize"]),
        classes=tuple(value["classes"]),
        figures=value["member"],
    )


def load_member(folder: str | Path, model: nn.Module | None = None) -> nn.Module:
    """Return the plain module that `save_member` wrote to `folder`, in eval mode; `model` is as for `load_family`.

    Raises:
        UsageError: a file is missing, cut off or edited, or comes from a newer archdial.
    """
    return load_built(folder, model).module
