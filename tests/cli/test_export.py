"""Export from the command line: of a run, of a saved member; and wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from archdial.exporting import make_format
from archdial.exporting.pt2 import Pt2
from archdial.families.storage import load_built
from tests.cli.conftest import Searched, call


@pytest.mark.slow
def test_a_member_of_a_run(searched: Searched, tmp_path: Path) -> None:
    out = tmp_path / "new" / "member.onnx"
    limit = searched.answer.json["range"]["parameters"][1]
    answer = call("export", searched.folder, "--params", limit, "--format", "onnx", "-o", out, "--json")
    assert answer.status == 0, answer.err
    picked = call("pick", searched.folder, "--params", limit, "--json").json
    assert answer.json["member"]["architecture"] == picked["architecture"]
    assert answer.json["path"] == str(out)
    assert answer.json["bytes"] == out.stat().st_size
    assert answer.json["latency"]["latency_ms"] > 0
    assert json.loads((tmp_path / "new" / "member.onnx.json").read_text())["classes"] == list("0123456789")
    assert make_format("onnx").load(out)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.slow
def test_a_member_that_was_saved(searched: Searched, tmp_path: Path) -> None:
    folder, out = tmp_path / "member", tmp_path / "member.pt2"
    answer = call("finetune", searched.folder, "--at", 0.1, "--epochs", 1, "--out", folder, "--json")
    assert answer.status == 0, answer.err
    exported = call("export", folder, "--format", "pt2", "--out", out, "--json")
    assert exported.status == 0, exported.err
    assert exported.json["member"]["provenance"]["weights"] == "finetuned"
    built = load_built(folder)
    images = torch.randn(3, *built.input_shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(Pt2().load(out)(images), built.module(images), atol=1e-4, rtol=0)
    again = call("export", folder, "--at", 0.1, "--format", "pt2", "-o", tmp_path / "other.pt2")
    assert again.status == 2
    assert "holds a single member: omit --at" in again.sentence
    table = call("export", folder, "--format", "pt2", "-o", tmp_path / "table.pt2")
    assert table.status == 0, table.err
    assert "latency ms" in table.out and f"model saved in {tmp_path / 'table.pt2'}" in table.out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--at", 0.1, "--format", "onx", "-o", "m.onnx"], "did you mean 'onnx'"),
        (["--at", 0.1, "--format", "onnx", "-o", "m.pt2"], "use m.onnx"),
        (["--at", 0.1, "--format", "pt2", "-o", "file/m.pt2"], "file is a file, expected a folder"),
        (["--at", 0.1, "--format", "pt2", "-o", "old.pt2"], "old.pt2 already exists: choose another --out"),
        (["--at", 0.1, "--format", "openvino", "-o", "old.xml"], "old.bin already exists: choose another --out"),
        (["--at", 0.1, "--format", "pt2", "-o", "noted.pt2"], "noted.pt2.json already exists: choose another --out"),
        (["--format", "pt2", "-o", "m.pt2"], "pick one member"),
        (["--at", 0.1, "--flops", 1e9, "--format", "pt2", "-o", "m.pt2"], "pick one member"),
        (["--params", 1, "--format", "pt2", "-o", "m.pt2"], "this family covers"),
    ],
)
def test_wrong_calls_write_nothing(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[object], part: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file", "old.pt2", "old.bin", "noted.pt2.json"):
        Path(name).write_text("mine")
    answer = call("export", searched.folder, *options)
    assert answer.status == 2
    assert part in answer.sentence
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(
        ("file", "old.pt2", "old.bin", "noted.pt2.json"), "mine"
    )


def test_no_run_and_no_member(tmp_path: Path) -> None:
    answer = call("export", tmp_path / "none", "--at", 1, "--format", "pt2", "-o", tmp_path / "m.pt2")
    assert answer.status == 2
    assert "no run at" in answer.sentence


@pytest.mark.slow
def test_a_file_that_computes_something_else_is_a_failed_run(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pt2, "load", lambda self, path: lambda images: torch.zeros(len(images), 10))
    answer = call("export", searched.folder, "--at", 0.1, "--format", "pt2", "-o", tmp_path / "m.pt2")
    assert answer.status == 1
    assert "does not reproduce the member" in answer.sentence
    assert list(tmp_path.iterdir()) == []
