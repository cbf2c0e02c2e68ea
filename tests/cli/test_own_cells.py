"""Cells for signals, tokens and numbers of the user's own, by a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import call, done, write_module

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons")]

CODE = """
import torch
from torch.utils.data import TensorDataset


def signals(count, seed):
    inputs = torch.randn(count, 2, 16, generator=torch.Generator().manual_seed(seed))
    return inputs, (inputs[:, 0].mean(1) > 0).long()


def words(count, seed):
    tokens = torch.randint(0, 9, (count, 6), generator=torch.Generator().manual_seed(seed))
    return tokens, (tokens[:, 0] > 4).long()


def ahead(count, seed):
    inputs = torch.randn(count, 2, 16, generator=torch.Generator().manual_seed(seed))
    return inputs, inputs[:, 0, -3:]


def data(draw, **more):
    return {part: TensorDataset(*draw(48, seed)) for seed, part in enumerate(("train", "validation", "test"))} | more


def sounds():
    return data(signals, classes=["low", "high"])


def texts():
    return data(words, classes=["early", "late"])


def forecasts():
    return data(ahead)


def nameless():
    return data(signals)
"""
RECIPE = """
data: "own_cells:DATA"
task: TASK
network: {kind: cells, cells: 1, nodes: 1, channels: 2, MORE}
search: {batch_size: 16, epochs: 1, dial_steps: 40, evaluations: 5, sample: 4, rounds: 1, evaluation_images: 40}
profile: {networks: 0, repeats: 2}
"""


@pytest.fixture(autouse=True)
def own_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, "own_cells", CODE, monkeypatch)


def recipe(folder: Path, data: str, more: str, task: str = "classification") -> Path:
    path = folder / "recipe.yaml"
    path.write_text(RECIPE.replace("DATA", data).replace("TASK", task).replace("MORE", more), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("data", "more", "task", "score", "operations"),
    [
        ("sounds", "stem_stride: 4", "classification", "accuracy", {"max_pool_3", "identity", "sep_conv_3"}),
        ("texts", "tokens: 9, operations: [none, identity]", "classification", "accuracy", {"none", "identity"}),
        ("forecasts", "outputs: 3", "{kind: regression, score: MAE}", "MAE", {"max_pool_3", "identity", "sep_conv_3"}),
    ],
)
def test_cells_are_searched(data: str, more: str, task: str, score: str, operations: set[str], tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("search", recipe(tmp_path, data, more, task), "--out", run, "--trust")
    answer = done("evaluate", run, "--count", "3", "--split", "test", "--trust", "--json")
    members = json.loads(answer.out)["members"]
    assert all(member["provenance"][f"{score}_split"] == "test" for member in members)
    assert {option for member in members for option in member["architecture"].values()} <= operations
    # Cells need no code of the user's.
    done("export", run, "--at", "1", "--format", "pt2", "-o", tmp_path / "member.pt2")


def test_their_width_is_one_more_choice(tmp_path: Path) -> None:
    path, run = recipe(tmp_path, "sounds", "stem_stride: 4, widths: [1, 0.5]"), tmp_path / "run"
    path.write_text(path.read_text().replace("channels: 2", "channels: 8"))
    done("search", path, "--out", run, "--trust")
    answer = done("evaluate", run, "--count", "3", "--split", "test", "--trust", "--json")
    members = json.loads(answer.out)["members"]
    assert {member["architecture"]["channels"] for member in members} <= {"1", "0.5"}
    done("export", run, "--at", "1", "--format", "pt2", "-o", tmp_path / "member.pt2")
    done("report", run)


@pytest.mark.parametrize(
    ("data", "more", "told"),
    [
        (
            "nameless",
            "stem_stride: 4",
            'outputs is not set, and the data name 0 classes: return "classes" with the data',
        ),
        ("sounds", "outputs: 2", "network.outputs is 2, and the data name 2 classes"),
        ("texts", "dense: true", "torch.int64 of tokens: pass tokens="),
        ("sounds", "operations: [sep_conv_3x3]", "unknown operation 'sep_conv_3x3': did you mean 'sep_conv_3'"),
        ("sounds", "operations: [sep_conv_3, sep_conv_3x3]", "unknown operation 'sep_conv_3': did you mean"),
        ("sounds", "tokens: 0", "network.tokens is 0"),
        ("sounds", "stem_stride: 3", "network.stem_stride is 3"),
    ],
)
def test_what_does_not_go_together_is_refused(data: str, more: str, told: str, tmp_path: Path) -> None:
    answer = call("search", recipe(tmp_path, data, more), "--out", tmp_path / "run", "--trust")
    assert answer.status == 2 and told in answer.sentence
    assert not (tmp_path / "run").exists()


def test_the_cells_of_the_benchmark_are_for_images_alone(tmp_path: Path) -> None:
    path = recipe(tmp_path, "sounds", "operations: [none, nor_conv_1x1]")
    path.write_text(path.read_text().replace("kind: cells, cells: 1, nodes: 1", "kind: nas_bench_201"))
    answer = call("search", path, "--out", tmp_path / "run", "--trust")
    assert answer.status == 2 and "inputs of shape (2, 16) and 2 classes for cells that classify" in answer.sentence
