"""Precision from the command line: a search with int8 among the choices, its members and their files; wrong calls."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import onnx
import pytest
import torch
from torch import nn

from archdial.cost.table.table import CostTable
from archdial.exporting import make_format
from archdial.exporting.agreement import ROUNDED
from archdial.families.storage import load_built, load_family, save_family
from archdial.networks.eight_bits.fake import FakeQuantize, rounded_weight
from archdial.networks.eight_bits.layers import KINDS
from tests.cli.conftest import Answer, call, done, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once", "operators_once")]

RECIPE = """
data: digits
channels: 1
weights: 0.5
limit: 120
network:
  kind: gates
  model: resnet20
  width: 4
  precision: [int8]
  include: ["*.branch", "*.precision"]
  groups: {"stages.*.bits": ["stages.*.conv1.precision", "stages.*.conv2.precision", "stages.*.shortcut.0.precision"]}
profile: {runtime: onnxruntime, networks: 0, repeats: 3}
search:
  regime: tuned
  paths: kept
  epochs: 1
  batch_size: 30
  dial_steps: 60
  evaluations: 8
  sample: 6
  rounds: 1
  evaluation_images: 40
  calibration_images: 40
  hypernet: {kind: piecewise_constant}
train: {epochs: 1, batch_size: 30}
"""
FLOAT = RECIPE.replace("  precision: [int8]\n", "").replace(', "*.precision"]', "]").replace("  groups", "  # groups")

EIGHT = ("conv1.precision", "stages.0.0.bits", "stages.1.0.bits")
DROPPED = tuple(f"stages.{one}.branch" for one in ("0.1", "1.1", "1.2", "2.1", "2.2"))
IN_INT8 = {
    "conv1": (4, 1, 3, 3),
    "stages.0.0.conv1": (4, 4, 3, 3),
    "stages.0.0.conv2": (4, 4, 3, 3),
    "stages.1.0.conv1": (8, 4, 3, 3),
    "stages.1.0.conv2": (8, 8, 3, 3),
    "stages.1.0.shortcut.0": (8, 4, 1, 1),
}
IN_FLOAT = [(4, 4, 3, 3)] * 2 + [(16, 8, 3, 3), (16, 16, 3, 3), (16, 8, 1, 1)]
"""Of the member that all tests are about, the convolutions; the rest of its layers are in float, as all of its head."""
PICKED = ("--params", 10**6)


@dataclass
class Mixed:
    recipe: Path
    weights: Path
    folder: Path
    member: Path
    searched: Answer


@pytest.fixture(scope="module")
def mixed(
    short_lessons: None, exported_once: None, operators_once: None, tmp_path_factory: pytest.TempPathFactory
) -> Mixed:
    """A search, whose best member is made the one that has something of everything."""
    place = tmp_path_factory.mktemp("precision")
    recipe, weights, folder = write_recipe(place, RECIPE), place / "w.safetensors", place / "run"
    done("train", recipe, "--out", weights)
    searched = done("search", recipe, "--weights", weights, "--out", folder, "--seed", 3, "--json")
    family = load_family(folder)
    taken = {choice.name: choice.options[0] for choice in family.space.choices}
    taken |= dict.fromkeys(EIGHT, "int8") | dict.fromkeys(DROPPED, "drop")
    best = replace(family.archive[0], architecture=family.network.canonical(family.space.parse(taken)), score=0.99)
    save_family(replace(family, archive=(*family.archive, best)), folder)
    done("pick", folder, *PICKED, "--out", place / "member")
    return Mixed(recipe, weights, folder, place / "member", searched)


def export(member: Path, folder: Path, format: str) -> tuple[Path, Any]:
    path = folder / f"m{make_format(format).suffix}"
    told = done("export", member, "--format", format, "-o", path, "--json").json
    assert told == {"path": str(path), "bytes": told["bytes"], **json.loads(Path(f"{path}.json").read_text())}
    assert {EIGHT[0]: "int8", "head.precision": "float32"}.items() <= told["member"]["architecture"].items()
    assert 0 <= told["comparison"]["largest_difference"] < 1
    return path, told


def near(path: Path, format: str, member: Path) -> None:
    """The file computes what the saved member does, up to what rounds the other way."""
    built = load_built(member)
    module = built.module.eval()
    images = torch.randn(1, *built.input_shape, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        expected = module(images)
        found = make_format(format).load(path)(images)
    assert float((found - expected).abs().max()) <= ROUNDED * float(expected.abs().max())


def test_a_search_measures_both_and_answers_for_both(mixed: Mixed) -> None:
    family = load_family(mixed.folder)
    assert set(mixed.searched.json["members"][0]["counts"]) == {"float32", "int8", "branch", "dropped"}
    kinds = {part.kind for part in family.table.parts.values()}
    assert {"quantize", "dequantize", "int8 Conv2d 3x3", "Conv2d 3x3"} <= kinds, kinds
    assert family.table.runtime["runtime"] == "onnxruntime"


def test_what_is_picked_says_where_it_is_in_int8(mixed: Mixed) -> None:
    told = done("pick", mixed.folder, *PICKED, "--json").json
    for name in (*EIGHT, "head.precision", "stages.2.0.bits"):
        assert told["architecture"][name] == ("int8" if name in EIGHT else "float32")
    assert told["counts"] == Counter(
        {"keep": "branch", "drop": "dropped"}.get(option, option) for option in told["architecture"].values()
    )
    shown = done("pick", mixed.folder, *PICKED).out
    assert f"{told['counts']['int8']}× int8" in shown and "  conv1.precision: int8\n" in shown
    # An offset for each channel of six normalised layers takes the place of scale and offset.
    module = load_built(mixed.member).module
    assert {name for name, one in module.named_modules() if type(one) in KINDS.values()} == set(IN_INT8)
    assert told["parameters"] == sum(p.numel() for p in module.parameters()) - sum(s[0] for s in IN_INT8.values())


def test_onnx_has_integers_where_the_member_says_so(mixed: Mixed, tmp_path: Path) -> None:
    path, _ = export(mixed.member, tmp_path, "onnx")
    near(path, "onnx", mixed.member)
    graph = onnx.load(path).graph
    shapes: dict[int, list[tuple[int, ...]]] = {}
    for one in graph.initializer:
        shapes.setdefault(one.data_type, []).append(tuple(one.dims))
    whole = Counter(shape for shape in shapes[onnx.TensorProto.INT8] if len(shape) > 1)
    assert whole == Counter(IN_INT8.values())
    assert Counter(shape for shape in shapes[onnx.TensorProto.FLOAT] if len(shape) == 4) == Counter(IN_FLOAT)
    module: Any = load_built(mixed.member).module
    rounds = [node for node in module.graph.nodes if _is_rounding(module, node)]
    assert Counter(node.op_type for node in graph.node)["QuantizeLinear"] == len(rounds) > len(EIGHT)


def _is_rounding(module: nn.Module, node: torch.fx.Node) -> bool:
    return node.op == "call_module" and isinstance(module.get_submodule(str(node.target)), FakeQuantize)


def test_openvino_has_integers_where_the_member_says_so(mixed: Mixed, tmp_path: Path) -> None:
    path, _ = export(mixed.member, tmp_path, "openvino")
    near(path, "openvino", mixed.member)
    # Read as text: OpenVINO's own operations, once let go, take the standard streams of the test with them.
    constants = [one.find("data").attrib for one in ElementTree.parse(path).iter("layer") if one.get("type") == "Const"]
    whole = [
        tuple(map(int, one["shape"].split(","))) for one in constants if one["element_type"] == "i8" and one["shape"]
    ]
    assert Counter(shape for shape in whole if len(shape) > 1) == Counter(IN_INT8.values())


def test_executorch_leaves_no_integers_to_slow_kernels(mixed: Mixed, tmp_path: Path) -> None:
    path, _ = export(mixed.member, tmp_path, "executorch")
    near(path, "executorch", mixed.member)
    assert b"quantized_decomposed" not in path.read_bytes()


def test_pt2_has_weights_on_their_grid_where_the_member_says_so(mixed: Mixed, tmp_path: Path) -> None:
    path, _ = export(mixed.member, tmp_path, "pt2")
    near(path, "pt2", mixed.member)
    own, state = load_built(mixed.member).module.state_dict(), torch.export.load(path).state_dict
    for name in [name for name, value in own.items() if value.dim() > 1]:
        eight = name.removesuffix(".weight") in IN_INT8
        assert state[name].equal(rounded_weight(own[name]) if eight else own[name]), name
        assert state[name].equal(own[name]) != eight


def test_finetuning_trains_the_rounded_member(mixed: Mixed, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    told = done("finetune", mixed.folder, *PICKED, "--epochs", 1, "--out", out, "--json").json
    assert told["provenance"]["weights"] == "finetuned" and told["architecture"]["conv1.precision"] == "int8"
    before, after = load_built(mixed.member).module, load_built(out).module
    assert ranges(before).keys() == ranges(after).keys()
    assert all(low <= 0 <= high and low < high for low, high in ranges(after).values())
    old, new = dict(before.named_parameters()), dict(after.named_parameters())
    assert old.keys() == new.keys()
    for name in IN_INT8:
        moved = new[f"{name}.weight"]
        assert not moved.equal(old[f"{name}.weight"])
        # What is stored is what was trained on, in float: on the grid nothing small could be learnt.
        assert not moved.equal(rounded_weight(moved))
    path, told = export(out, tmp_path, "onnx")
    assert told["member"]["provenance"]["weights"] == "finetuned"
    near(path, "onnx", out)


def ranges(module: nn.Module) -> Mapping[str, tuple[float, float]]:
    found = {name: one for name, one in module.named_modules() if isinstance(one, FakeQuantize)}
    return {name: (float(one.low), float(one.high)) for name, one in found.items()}


def test_quantized_as_a_whole_it_is_measured_beside_itself_in_float(mixed: Mixed, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    told = done("quantize", mixed.folder, "--member", mixed.member, "--out", out, "--json").json
    assert {"float32", "int8"} <= told.keys() and told["int8"]["bytes"] == out.stat().st_size
    assert told["mean_difference"] > 0
    whole = [one for one in onnx.load(out).graph.initializer if one.data_type == onnx.TensorProto.INT8]
    shapes = Counter(tuple(sorted(one.dims)) for one in whole if len(one.dims) > 1)
    # All convolutions, and the head.
    assert shapes == Counter(tuple(sorted(shape)) for shape in [*IN_INT8.values(), *IN_FLOAT, (10, 16)])


def test_a_table_of_other_choices_is_refused(mixed: Mixed, tmp_path: Path) -> None:
    table = tmp_path / "float.json"
    done("profile", write_recipe(tmp_path, FLOAT), "--weights", mixed.weights, "--out", table)
    assert not any("int8" in key for key in CostTable.load(table).parts)
    answer = call("search", mixed.recipe, "--weights", mixed.weights, "--table", table, "--out", tmp_path / "run")
    assert answer.status == 2
    assert "float.json was made for another space" in answer.sentence
    assert not (tmp_path / "run").exists()


def test_runtimes_and_formats_without_int8(mixed: Mixed, tmp_path: Path) -> None:
    answer = call("profile", mixed.recipe, "--weights", mixed.weights, "--runtime", "eager", "--out", tmp_path / "t")
    assert answer.status == 2
    assert "runtime 'eager' has no int8, which this network may choose" in answer.sentence
    out = tmp_path / "hf" / "model.safetensors"
    answer = call("export", mixed.member, "--format", "huggingface", "-o", out)
    assert answer.status == 2
    assert "conv1" in answer.sentence and "use pt2 or onnx" in answer.sentence
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("command", ["search", "profile", "train"])
def test_only_int8(command: str, mixed: Mixed, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, RECIPE.replace("[int8]", "[int4]"))
    given = () if command == "train" else ("--weights", mixed.weights)
    answer = call(command, recipe, *given, "--out", tmp_path / "out.safetensors")
    assert answer.status == 2
    assert "unknown network.precision[0] 'int4': did you mean 'int8'?" in answer.sentence
    assert list(tmp_path.iterdir()) == [recipe]
