"""A killed or interrupted run, resumed, ends bit for bit as an uninterrupted one: done for real, with processes."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.searching import job

pytestmark = pytest.mark.slow

PROCESSES = multiprocessing.get_context("forkserver")
# Copies of one process that has imported everything: half a minute less than a new Python for each of a dozen jobs.
PROCESSES.set_forkserver_preload(["tests.searching.preloaded"])


class Running:
    """A job in a process of its own."""

    def __init__(self, folder: Path, method: str, *options: str) -> None:
        self.errors = folder.with_name(f"{folder.name}.errors")
        self.process = PROCESSES.Process(target=job.in_a_process, args=(folder, method, options, self.errors))
        self.process.start()

    def stopped(self, number: int, seconds: float = 60) -> tuple[int | None, str]:
        """Send it a signal; return its exit status, and what it said."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)
        return self.ended(seconds)

    def ended(self, seconds: float = 300) -> tuple[int | None, str]:
        self.process.join(seconds)
        return self.process.exitcode, self.errors.read_text()


def finish(folder: Path, method: str, *options: str) -> None:
    status, errors = Running(folder, method, *options).ended()
    assert status == 0, errors


def wait_for_lines(folder: Path, count: int, running: Running) -> None:
    metrics = folder / "metrics.jsonl"
    while running.process.is_alive():
        if metrics.exists() and len(metrics.read_text().splitlines()) >= count:
            return
        time.sleep(0.01)
    pytest.fail(f"the job ended before it could be stopped: {running.ended()}")


def assert_same_family(a: Path, b: Path) -> None:
    assert json.loads((a / "family.json").read_text()) == json.loads((b / "family.json").read_text())
    ours, theirs = load_file(a / "weights.safetensors"), load_file(b / "weights.safetensors")
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert tensor.equal(theirs[name]), name


KILLED = {"predictor": (1, 3), "two_stage": (3,), "bilevel": (1,), "widths": (1, 4), "proxies": (3, 4)}
"""After so many lines of metrics: within the second epoch of the weights, and while the dial is fitted or evaluated."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "predictor"
    finish(folder, "predictor")
    return folder


@pytest.mark.parametrize("method", KILLED)
def test_killed_run_resumes_to_the_bit(whole: Path, method: str) -> None:
    if method != "predictor":
        whole = whole.parent / method
        finish(whole, method)
    broken = whole.parent / f"killed {method}"
    for lines in KILLED[method]:
        options = ["--slow", *(["--resume"] if broken.exists() else [])]
        running = Running(broken, method, *options)
        wait_for_lines(broken, lines, running)
        time.sleep(0.1)
        assert running.stopped(signal.SIGKILL)[0] == -signal.SIGKILL
        assert not (broken / "family.json").exists()
    finish(broken, method, "--resume")
    assert_same_family(whole, broken)


def test_interrupted_run_says_how_to_go_on_and_resumes_to_the_bit(whole: Path) -> None:
    broken = whole.parent / "interrupted"
    for lines in (1, 4):
        running = Running(broken, "predictor", "--slow", "--resume")
        wait_for_lines(broken, lines, running)
        status, errors = running.stopped(signal.SIGINT)
        assert status == 130
        assert "--resume" in errors and "Traceback" not in errors
    finish(broken, "predictor", "--resume")
    assert_same_family(whole, broken)
    kept = [json.loads(line)["place"] for line in (broken / "metrics.jsonl").read_text().splitlines()]
    assert kept == sorted(kept) and len({tuple(place) for place in kept}) == len(kept)
