"""A killed or interrupted run, resumed, ends bit for bit as an uninterrupted one: done for real, with processes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

pytestmark = pytest.mark.slow

JOB = Path(__file__).with_name("job.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def start(folder: Path, method: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(JOB), str(folder), method, *options]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def finish(folder: Path, method: str, *options: str) -> None:
    process = start(folder, method, *options)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def wait_for_lines(folder: Path, count: int, process: subprocess.Popen[str]) -> None:
    metrics = folder / "metrics.jsonl"
    while process.poll() is None:
        if metrics.exists() and len(metrics.read_text().splitlines()) >= count:
            return
        time.sleep(0.01)
    pytest.fail(f"the job ended before it could be stopped: {process.communicate()[1]}")


def assert_same_family(a: Path, b: Path) -> None:
    assert json.loads((a / "family.json").read_text()) == json.loads((b / "family.json").read_text())
    ours, theirs = load_file(a / "weights.safetensors"), load_file(b / "weights.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.equal(theirs[name]), name


KILLED = {"predictor": (1, 3), "two_stage": (3,), "bilevel": (1,)}
"""After so many lines of metrics: within the second epoch of the weights, and while the dial is fitted or evaluated."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "predictor"
    finish(folder, "predictor")
    return folder


@pytest.mark.parametrize("method", KILLED)
def test_killed_run_resumes_to_the_bit(tmp_path: Path, whole: Path, method: str) -> None:
    if method != "predictor":
        whole = tmp_path / "whole"
        finish(whole, method)
    # Beside it, as jobs of one folder share a cost table.
    broken = whole.parent / "killed"
    for lines in KILLED[method]:
        options = ["--slow", *(["--resume"] if broken.exists() else [])]
        process = start(broken, method, *options)
        wait_for_lines(broken, lines, process)
        time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (broken / "family.json").exists()
    finish(broken, method, "--resume")
    assert_same_family(whole, broken)


def test_interrupted_run_says_how_to_go_on_and_resumes_to_the_bit(whole: Path) -> None:
    broken = whole.parent / "interrupted"
    for lines in (1, 4):
        process = start(broken, "predictor", "--slow", "--resume")
        wait_for_lines(broken, lines, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "--resume" in errors and "Traceback" not in errors
    finish(broken, "predictor", "--resume")
    assert_same_family(whole, broken)
    kept = [json.loads(line)["place"] for line in (broken / "metrics.jsonl").read_text().splitlines()]
    assert kept == sorted(kept) and len({tuple(place) for place in kept}) == len(kept)
