"""Every kind of file that archdial reads: how it is mutated, read, and what it says."""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml
from PIL import Image
from safetensors.torch import load as tensors_of
from safetensors.torch import save as saved
from torch import Tensor

from archdial.common.digests import digest_of
from archdial.common.documents import parse_json, read_json, sealed
from archdial.common.errors import Notice, UsageError
from archdial.common.lock_file import Holder
from archdial.common.validation import validated
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.several import load_tables, tables_json
from archdial.cost.table.table import CostTable
from archdial.data import load as load_data
from archdial.families.family import Family
from archdial.families.family_file import FORMAT, FamilyFile
from archdial.families.storage import _checked, _family, _tensors, family_json, load_built, load_family, save_member
from archdial.networks.graph.source import load_weights
from archdial.report.comparison import read_comparison
from archdial.report.experiments import read_experiments
from archdial.report.numbers import report_numbers
from archdial.runs.folder import Run, read_run
from archdial.runs.recipe import read_recipe, recipe_from_json
from archdial.runs.recipe_file import read_yaml
from archdial.searching import checkpoint
from archdial.training.log import _forget_after
from tests.hostile import examples
from tests.hostile.measuring import Kind
from tests.hostile.mutations import (
    YAML_TOKENS,
    damaged,
    mutated,
    other_header,
    other_tensor,
    other_tensors,
    other_value,
)

ON_DISK = 0.04
"""Share of files that are read from a disk; what holds for their content is the same without one."""

Json = dict[str, Any]


COUNTS = {
    "recipe.yaml": 300,
    "recipe.yaml, damaged": 800,
    "table.json": 10_000,
    "table.json, to be fitted": 200,
    "tables.json": 3_000,
    "family.json of cells": 800,
    "family.json of NAS-Bench-201": 130,
    "family.json of several devices": 350,
    "family.json of refined cells": 300,
    "family.json of gates": 16,
    "family.json of foreign gates": 700,
    "weights.safetensors": 300,
    "architecture.json": 350,
    "config.json": 1_000,
    "checkpoint.pt": 180,
    "weights of gates": 600,
    "metrics.jsonl": 600,
    ".archdial.lock": 15_000,
    "parquet": 150,
    "images": 400,
    "members.json": 13_200,
    "comparison.json": 22_000,
    "experiments.json": 30_000,
}
"""Files of each kind, of a hundred thousand: the fewer, the longer one takes to read."""


def kinds(place: Path) -> dict[str, Callable[[], Kind]]:
    """Return what makes each kind, by name; files are written to the folder `place`."""
    makers: dict[str, Callable[[int], Kind]] = {
        "recipe.yaml": _recipe_values,
        "recipe.yaml, damaged": _recipe_texts,
        "table.json": partial(_table, place),
        "table.json, to be fitted": partial(_unfitted_table, place),
        "tables.json": partial(_tables, place),
        "weights.safetensors": partial(_family_weights, place),
        "architecture.json": partial(_members, place),
        "config.json": partial(_configs, place),
        "checkpoint.pt": partial(_checkpoints, place),
        "weights of gates": partial(_model_weights, place),
        "metrics.jsonl": partial(_metrics, place),
        ".archdial.lock": _locks,
        "parquet": partial(_parquet, place),
        "images": partial(_images, place),
    }
    makers |= {f"family.json of {name}": partial(_families, place, of) for of, name in _OF.items()}
    readers = {"members": report_numbers, "comparison": read_comparison, "experiments": read_experiments}
    makers |= {f"{name}.json": partial(_results, place, name, reader) for name, reader in readers.items()}
    return {name: partial(makers[name], count) for name, count in COUNTS.items()}


def _text_of(value: Any) -> bytes:
    return json.dumps(value).encode()


def _once(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    assert len(found) == len(pairs), "a duplicate key"
    return found


_ONCE = json.JSONDecoder(object_pairs_hook=_once)
"""One for all files; `json.loads` makes another for each."""


def _said(data: bytes) -> Any:
    return _ONCE.decode(data.decode(json.detect_encoding(data), "surrogatepass"))


def _unsealed(data: bytes) -> Any:
    value = _said(data)
    return {name: item for name, item in value.items() if name not in ("sha256", "weights_sha256")}


def _resealed(data: bytes) -> bytes:
    """Return a JSON text with its digest renewed, where that can be."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(value, dict):
        return data
    value.pop("sha256", None)
    return _text_of(sealed(value))


def _documents(bases: Sequence[Json], *, seal: bool = False) -> Callable[[Random], bytes]:
    """Return what makes mutated JSON files of `bases`."""

    whole = [(base, _text_of(sealed(base) if seal else base)) for base in bases]

    def make(dice: Random) -> bytes:
        base, text = dice.choice(whole)
        if dice.random() < 0.65:
            value = mutated(base, dice)
            return _text_of(sealed(value) if seal and isinstance(value, dict) else value)
        data = damaged(text, dice)
        return _resealed(data) if seal and dice.random() < 0.7 else data

    return make


def _json_object(data: bytes) -> Json:
    value = parse_json(data, "the file")
    if not isinstance(value, dict):
        raise UsageError("the file holds no JSON object")
    return value


def _read_anywhere(
    path: Path, from_value: Callable[[Json], Any], from_path: Callable[[Path], Any]
) -> Callable[[bytes], Any]:
    """Return what reads most files in memory, and some from `path`."""

    def read(data: bytes) -> Any:
        if hashlib.sha256(data).digest()[0] < 256 * ON_DISK:
            path.write_bytes(data)
            return from_path(path)
        return from_value(_json_object(data))

    return read


def _recipe_values(count: int) -> Kind:
    def make(dice: Random) -> tuple[Json, str]:
        value = mutated(dice.choice(examples.RECIPES), dice)
        return value, yaml.safe_dump(value, allow_unicode=dice.random() < 0.5, default_flow_style=dice.random() < 0.5)

    def read(file: tuple[Any, str]) -> Any:
        return read_recipe(file[1], "mine.yaml").to_json()

    return Kind("recipe.yaml", count, make, read, lambda file: {str(key): item for key, item in file[0].items()})


def _recipe_texts(count: int) -> Kind:
    texts = [yaml.safe_dump(value).encode() for value in examples.RECIPES]

    def make(dice: Random) -> str:
        tokens = YAML_TOKENS if dice.random() < 0.7 else ()
        data = damaged(dice.choice(texts), dice, tokens) if tokens else damaged(dice.choice(texts), dice)
        return data.decode("utf-8", "replace")

    return Kind("recipe.yaml, damaged", count, make, lambda text: read_recipe(text, "mine.yaml").to_json(), read_yaml)


def _used(table: CostTable) -> Json:
    """Return `table` as JSON once it has priced the space, if it is of the space."""
    space = examples.small_space()
    if table.space == space.fingerprint:
        table.check(space)
        for column in ("latency_ms", "parameters"):
            assert torch.isfinite(ExpectedCost(space, table, column)(space.mask.float()[None])).all()
    return table.to_json()


def _table(place: Path, count: int) -> Kind:
    read = _read_anywhere(
        place / "table.json",
        lambda value: CostTable.from_json(value, "the table").to_json(),
        lambda path: _used(CostTable.load(path)),
    )
    return Kind("table.json", count, _documents(examples.tables()), read, _said, left_alone=True)


def _unfitted_table(place: Path, count: int) -> Kind:
    make = _documents([examples.measured_table().to_json()])
    read = _read_anywhere(
        place / "unfitted.json",
        lambda value: CostTable.from_json(value, "the table").to_json(),
        lambda path: _used(CostTable.load(path)),
    )
    return Kind("table.json, to be fitted", count, make, read, _said, left_alone=True)


def _tables(place: Path, count: int) -> Kind:
    fitted = CostTable.from_json(examples.measured_table().to_json())
    bases = [tables_json({"pi": fitted, "phone": fitted.without_fit()}), fitted.to_json()]
    path = place / "tables.json"

    def read(data: bytes) -> Any:
        path.write_bytes(data)
        return tables_json(load_tables(path, examples.small_space()))

    return Kind("tables.json", count, _documents(bases), read, _said, left_alone=True)


def _used_family(family: Family) -> Json:
    """Return what `family` says, once it has answered."""
    for name in family.device_names or [None]:
        own = family.on(name)
        assert all(0 <= member.latency_ms < float("inf") for member in (*own.along(3), *own.front()))
    return json.loads(json.dumps(family_json(family)))


def _families(place: Path, of: str, count: int) -> Kind:
    folders = examples.folders(of, place)
    bases = [json.loads((folder / "family.json").read_text()) for folder in folders]
    for base in bases:
        del base["sha256"]
    files = [(folder / "weights.safetensors").read_bytes() for folder in folders]
    weights = {base["weights_sha256"]: data for base, data in zip(bases, files, strict=True)}
    tensors = {digest: tensors_of(data) for digest, data in weights.items()}

    def from_value(value: Json) -> Any:
        whole = _checked(value, place, FORMAT, "restore a copy")
        file = validated(FamilyFile, whole)
        if file.weights_sha256 not in tensors:
            raise UsageError("other weights")
        return _used_family(_family(file, tensors[file.weights_sha256], None, False))

    folder = place / f"read {of}"
    folder.mkdir()

    def from_path(path: Path) -> Any:
        text = path.read_bytes()
        data = next((data for digest, data in weights.items() if digest.encode() in text), b"")
        (folder / "weights.safetensors").write_bytes(data)
        return _used_family(load_family(folder))

    read = _read_anywhere(folder / "family.json", from_value, from_path)
    return Kind(f"family.json of {_OF[of]}", count, _documents(bases, seal=True), read, _unsealed, left_alone=True)


_OF = {
    "cells": "cells",
    "nas_bench_201": "NAS-Bench-201",
    "devices": "several devices",
    "refined": "refined cells",
    "gates": "gates",
    "closed": "foreign gates",
}


def _other_weights(data: bytes, dice: Random) -> bytes:
    match dice.randrange(4):
        case 0:
            return damaged(data, dice)
        case 1:
            return other_header(data, dice)
        case _:
            made = {name: tensor.contiguous() for name, tensor in other_tensors(tensors_of(data), dice).items()}
            return bytes(saved(made))


def _family_weights(place: Path, count: int) -> Kind:
    folder = place / "weights"
    made = []
    for source in examples.folders("cells", place)[:2] + examples.folders("devices", place)[:1]:
        made.append((json.loads((source / "family.json").read_text()), (source / "weights.safetensors").read_bytes()))
    folder.mkdir()

    def make(dice: Random) -> tuple[Json, bytes]:
        value, data = dice.choice(made)
        other = _other_weights(data, dice)
        if dice.random() < 0.1:
            return value, other
        digest = hashlib.sha256(other).hexdigest()
        return sealed({**{k: v for k, v in value.items() if k != "sha256"}, "weights_sha256": digest}), other

    def read(file: tuple[Json, bytes]) -> dict[str, Tensor]:
        (folder / "family.json").write_bytes(_text_of(file[0]))
        (folder / "weights.safetensors").write_bytes(file[1])
        family = load_family(folder)
        _used_family(family)
        return _tensors(family)

    return Kind("weights.safetensors", count, make, read, lambda file: tensors_of(file[1]))


def _members(place: Path, count: int) -> Kind:
    folder = place / "member"
    family = load_family(examples.folders("cells", place)[0])
    save_member(family.at(0.1), folder)
    path = folder / "architecture.json"
    base = json.loads(path.read_text())
    del base["sha256"]

    def read(data: bytes) -> Json:
        path.write_bytes(data)
        built = load_built(folder)
        with torch.no_grad():
            built.module(torch.zeros(1, *built.input_shape))
        plan = _said(data)["network"]
        shape = [plan.get("in_channels"), *plan.get("image_size", [28, 28])]
        assert list(built.input_shape) == shape, "another shape"
        head = {"format": "archdial.member", "version": 1, "network": plan}
        figures = {"classes": list(built.classes), "member": dict(built.figures)}
        return {**head, **figures, "normalize": {"mean": built.normalize.mean, "std": built.normalize.std}}

    return Kind("architecture.json", count, _documents([base], seal=True), read, _unsealed, left_alone=True)


def _configs(place: Path, count: int) -> Kind:
    folder = place / "config"
    folder.mkdir()
    bases = [Run(folder, recipe_from_json({"name": "mine", **value})).to_json() for value in examples.RECIPES]
    make = _documents([json.loads(json.dumps(base)) for base in bases], seal=True)

    def read(data: bytes) -> Json:
        (folder / "config.json").write_bytes(data)
        return {**read_run(folder).to_json(), "versions": _said(data).get("versions")}

    return Kind("config.json", count, make, read, _unsealed, left_alone=True)


def _results(place: Path, name: str, reader: Callable[[Mapping[str, Any]], Any], count: int) -> Kind:
    make = _documents([examples.result_files()[name]])
    read = _read_anywhere(
        place / f"{name}.json",
        lambda value: _plain(reader(value)),
        lambda path: _plain(reader(read_json(path, "file"))),
    )
    return Kind(f"{name}.json", count, make, read, _LISTED[name], left_alone=True)


def _plain(value: Any) -> Any:
    # Not by asdict, which copies every number on its own.
    return json.loads(json.dumps(value, default=vars))


def _members_said(data: bytes) -> Json:
    value = _said(data)
    # Sorted, without repetition: by what the reader shows it.
    kept = ("kinds", "members", "archive", "config")
    return {name: value[name] for name in kept if name in value} | {"dial_kind": value["dial"]["kind"]}


def _comparison_said(data: bytes) -> Json:
    value = _said(data)
    methods = [
        {name: method.get(name) for name in ("name", "evaluations", "area")}
        | {"members": sorted(({**m, "validation": m["validation_accuracy"]} for m in method["members"]), key=_latency)}
        for method in value["methods"]
    ]
    return {"split": value["accuracy_split"], "full": value["full"], "methods": methods}


def _latency(row: Json) -> float:
    return float(row["latency_ms"])


def _experiments_said(data: bytes) -> Json:
    value = _said(data)

    def along(name: str) -> list[Json]:
        points = [{**row, "at": row["lambda"]} for row in value[name]["points"]]
        return sorted(points, key=lambda row: float(row["at"]))

    relaxed = {"relaxed": value["relaxed"]["points"], "mean_difference": value["relaxed"]["mean_difference"]}
    both = {"alone": along("alone"), "hypernetwork": along("hypernetwork")}
    return {**both, **relaxed, "chance": value["alone"]["chance"], "fall": value["alone"].get("fall")}


_LISTED = {"members": _members_said, "comparison": _comparison_said, "experiments": _experiments_said}


def _checkpoints(place: Path, count: int) -> Kind:
    path = place / "run" / "checkpoint.pt"
    path.parent.mkdir()
    checkpoint.save(path, examples.on_its_way(), checkpoint.Place(1, 2, 0))
    whole = path.read_bytes()
    base = torch.load(path, weights_only=True)
    del base["sha256"]
    # One for all files: what is accepted replaces all that a file can change.
    state = examples.begun()

    def make(dice: Random) -> tuple[bytes, Any]:
        if dice.random() < 0.3:
            return damaged(whole, dice), base
        value = mutated(base, dice, _other_leaf)
        if isinstance(value, dict) and dice.random() < 0.95:
            value["sha256"] = _digest(value)
        stream = io.BytesIO()
        torch.save(value, stream)
        return stream.getvalue(), value

    def read(file: tuple[bytes, Any]) -> Any:
        path.write_bytes(file[0])
        position = checkpoint.load(path, state)
        parts = checkpoint._parts(state)
        read = {name: _listed(part.state_dict()) for name, part in parts.items()}
        examples.step(state)
        archive = [[list(one.architecture.options), one.accuracy, one.loss] for one in state.archive]
        pending = [list(one.options) for one in state.pending]
        rest = {"archive": archive, "pending": pending, "dial": state.dial.to_json()}
        return {"place": list(asdict(position).values()), **read, **rest, "generator": state.generator.get_state()}

    def says(file: tuple[bytes, Any]) -> Any:
        said = {name: _listed(item) for name, item in file[1].items() if name not in ("fingerprint", "sha256")}
        return {**said, "generator": said["generator"].flatten()}

    return Kind("checkpoint.pt", count, make, read, says)


def _listed(value: Any) -> Any:
    """Return `value` with mappings by texts, and tensors copied: a step changes them in place."""
    if isinstance(value, Mapping):
        return {str(key): _listed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_listed(item) for item in value]
    return value.clone() if isinstance(value, Tensor) else value


def _digest(value: Any) -> str:
    try:
        return digest_of({name: item for name, item in value.items() if name != "sha256"})
    except TypeError:
        return ""


def _other_leaf(value: Any, dice: Random) -> Any:
    if isinstance(value, Tensor) and dice.random() < 0.8:
        return other_tensor(value, dice)
    return other_value(value, dice)


def _model_weights(place: Path, count: int) -> Kind:
    torch.manual_seed(0)
    state = dict(examples.small_model().state_dict())
    whole = bytes(saved(state))
    stream = io.BytesIO()
    torch.save(state, stream)

    def make(dice: Random) -> tuple[str, bytes, Any]:
        if dice.random() < 0.5:
            data = _other_weights(whole, dice)
            return "model.safetensors", data, None
        if dice.random() < 0.3:
            return "model.pt", damaged(stream.getvalue(), dice), None
        value: Any = other_tensors(state, dice) if dice.random() < 0.6 else mutated(state, dice, _other_leaf)
        value = {"state_dict": value} if dice.random() < 0.3 else value
        made = io.BytesIO()
        torch.save(value, made)
        return "model.pt", made.getvalue(), value

    def read(file: tuple[str, bytes, Any]) -> Json:
        path = place / file[0]
        path.write_bytes(file[1])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", Notice)
            model = load_weights(examples.small_model().eval(), path)
        with torch.no_grad():
            model(torch.zeros(2, 1, 3, 3))
        counts = [re.match(r"ignored (\d+) keys? of ", str(one.message)) for one in said]
        assert all(str(one.message).isprintable() for one in said), "a warning that a terminal obeys"
        return {**model.state_dict(), "ignored": sum(int(count[1]) for count in counts if count)}

    def says(file: tuple[str, bytes, Any]) -> Any:
        if file[0].endswith(".safetensors"):
            found = tensors_of(file[1])
        else:
            value = file[2] if file[2] is not None else torch.load(io.BytesIO(file[1]), "cpu", weights_only=True)
            found = value.get("state_dict", value)
        known = {name: tensor for name, tensor in found.items() if name in state}
        return {**known, "ignored": len(found) - len(known)}

    return Kind("weights of gates", count, make, read, says)


def _metrics(place: Path, count: int) -> Kind:
    path = place / "metrics.jsonl"
    rows = [{"phase": "weights", "place": [0, n], "step": n, "seconds": 0.5, "loss": 1.0} for n in range(3)]
    rows.append({"phase": "dial", "place": [1, 0], "step": 3, "seconds": 0.5, "loss": 0.5})

    def make(dice: Random) -> bytes:
        values = mutated(rows, dice) if dice.random() < 0.6 else rows
        values = values if isinstance(values, list) else [values]
        data = b"".join(_text_of(value) + b"\n" for value in values)
        return damaged(data, dice) if dice.random() < 0.5 else data

    def place_in(line: str) -> list[int] | None:
        try:
            found = parse_json(line.encode(), "a line")["place"]
        except (ValueError, KeyError, TypeError):
            return None
        whole = isinstance(found, list) and len(found) == 2 and all(type(number) is int for number in found)
        return found if whole else None

    def kept(lines: list[str]) -> list[str]:
        return [line for line in lines if (place_in(line) or [1, 0]) < [1, 0]]

    def read(data: bytes) -> list[str]:
        path.write_bytes(data)
        _forget_after(path, checkpoint.Place(1, 0))
        left = path.read_text(encoding="utf-8").split("\n")
        early = kept(left)
        assert len(early) == sum(place_in(line) is not None for line in left), "a line of what comes again"
        return early

    return Kind("metrics.jsonl", count, make, read, lambda data: kept(_lines(data)))


def _lines(data: bytes) -> list[str]:
    """Return the lines that are text."""
    return [line.decode() for line in data.splitlines() if line.decode("utf-8", "ignore").encode() == line]


def _locks(count: int) -> Kind:
    base = asdict(Holder.here("a search"))

    def read(data: bytes) -> Json:
        holder = Holder.read(data)
        if holder is None:
            return {}
        assert holder.process.gone in (True, False, None)
        return asdict(holder)

    def says(data: bytes) -> Any:
        return {}

    return Kind(".archdial.lock", count, _documents([base]), read, says)


def _parquet(place: Path, count: int) -> Kind:
    folder = place / "parquet"
    folder.mkdir()
    images, labels = [_png(10), _png(20), _png(30)], [0, 1, 2]
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b", "c"]}}
    metadata = {"info": {"features": features}}
    whole = _table_file(images, labels, metadata)
    (folder / "test.parquet").write_bytes(whole)

    def make(dice: Random) -> bytes:
        if dice.random() < 0.4:
            return damaged(whole, dice)
        try:
            return _table_file(*mutated([images, labels, metadata], dice))
        except (pa.ArrowException, TypeError, ValueError, OverflowError, AttributeError):
            return damaged(whole, dice)

    return Kind("parquet", count, make, _data_reader(folder / "train.parquet"), lambda data: None)


def _table_file(images: Any, labels: Any, metadata: Any) -> bytes:
    rows = [{"bytes": value, "path": None} if isinstance(value, bytes) else value for value in images]
    table = pa.table({"label": pa.array(labels), "image": pa.array(rows)})
    stream = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"huggingface": json.dumps(metadata)}), stream)
    return stream.getvalue()


def _png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(numpy.full((4, 4), value, numpy.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _data_reader(path: Path, folder: Path | None = None) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        path.write_bytes(data)
        found = load_data(str(folder or path.parent), channels=1)
        assert len(found.train) == len(found.train.labels) > 0
        assert int(found.train.labels.max()) < len(found.classes)

    return read


def _images(place: Path, count: int) -> Kind:
    folder = place / "images"
    for number, name in enumerate(("train/a", "train/b", "test/a")):
        (folder / name).mkdir(parents=True)
        (folder / name / "0.png").write_bytes(_png(number))
    kinds = []
    for form in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP"):
        stream = io.BytesIO()
        Image.fromarray(numpy.arange(16, dtype=numpy.uint8).reshape(4, 4)).save(stream, form)
        kinds.append(stream.getvalue())

    def make(dice: Random) -> bytes:
        return damaged(dice.choice(kinds), dice)

    return Kind("images", count, make, _data_reader(folder / "train/a/0.png", folder), lambda data: None)
