"""A member in eight bits from the command line: the table, the file, a saved member; and wrong calls."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Searched, call, done


@pytest.mark.slow
def test_both_precisions_are_measured_and_the_file_is_kept_if_asked_for(searched: Searched, tmp_path: Path) -> None:
    out = tmp_path / "m.onnx"
    answer = done("quantize", searched.folder, "--at", 0.1, "--split", "test", "--out", out, "--json")
    told = answer.json
    assert told["path"] == str(out) and told["split"] == "test" and told["runtime"] == "onnxruntime"
    assert told["int8"]["bytes"] == out.stat().st_size
    assert told["speedup"] == pytest.approx(told["float32"]["latency_ms"] / told["int8"]["latency_ms"])
    assert all(0 <= told[one]["accuracy"] <= 1 for one in ("float32", "int8"))
    assert told["calibration_examples"] == 40
    assert json.loads(out.with_name("m.onnx.json").read_text())["precision"] == "int8"
    again = call("quantize", searched.folder, "--at", 0.1, "--out", out)
    assert again.status == 2 and "m.onnx already exists: choose another --out" in again.sentence


@pytest.mark.slow
def test_a_saved_member_and_its_table(searched: Searched, tmp_path: Path) -> None:
    member = tmp_path / "member"
    done("pick", searched.folder, "--at", 0.1, "--out", member)
    answer = done("quantize", searched.folder, "--member", member)
    assert "float32" in answer.out and "int8 takes" in answer.out and "accuracy" in answer.out
    assert answer.err.rstrip().splitlines()[-1].endswith(f"--out {searched.folder}-int8.onnx")
    both = call("quantize", searched.folder, "--member", member, "--at", 0.1)
    assert both.status == 2 and "is a single member: omit --at" in both.sentence


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--at", 0.1, "--runtime", "eager"], "runtime 'eager' has no quantizer: expected onnxruntime, openvino or"),
        (["--at", 0.1, "--out", "m.pt2"], "use m.onnx"),
        ([], "pick one member"),
        (["--at", 0.1, "--split", "train"], "'train' is not one of 'validation', 'test'"),
        (["--member", "nowhere"], "nowhere"),
    ],
)
def test_wrong_calls(
    searched: Searched, options: list[object], part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = call("quantize", searched.folder, *options)
    assert answer.status == 2
    assert part in answer.err and "Traceback" not in answer.err
    assert not list(tmp_path.iterdir())
