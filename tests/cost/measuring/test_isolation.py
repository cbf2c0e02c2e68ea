"""The process that measures: it is told of nothing but its task, answers, and is gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import RunError
from archdial.cost.measuring.isolation import timings
from archdial.cost.measuring.runtimes import runtime
from tests import copied
from tests.copied import Copy

EAGER = runtime("eager")


def of(module: nn.Module) -> Any:
    return EAGER.convert(module, torch.zeros(1, 2))


def children() -> list[int]:
    """Processes begun by this one that have not been waited for."""
    return [int(pid) for file in Path("/proc/self/task").glob("*/children") for pid in file.read_text().split()]


class Chatty(nn.Module):
    """Prints where the answers go."""

    def forward(self, inputs: Tensor) -> Tensor:
        print('{"answer": "made up"}', flush=True)
        return inputs


class Dying(nn.Module):
    """Takes its process with it, last words first."""

    def forward(self, inputs: Tensor) -> Tensor:
        print("out of luck", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        return inputs


@pytest.mark.slow
def test_many_are_measured_in_one_process_that_is_gone_afterwards() -> None:
    seen: list[tuple[int, int]] = []
    before = children()
    subjects = [("a", of(nn.Identity())), ("b", of(Chatty()))]
    found = timings(EAGER, subjects, count=2, repeats=3, progress=lambda *steps: seen.append(steps))
    assert len(found) == 2 and found[1].median_ms > found[0].median_ms > 0
    assert seen[-1][0] == seen[-1][1] and all(done < total for done, total in seen[:-1])
    assert children() == before


@pytest.mark.slow
def test_one_that_ends_its_process_is_named_with_its_last_words() -> None:
    with pytest.raises(RunError, match=r"'b' failed on eager: .* ended by SIGKILL \(out of luck\)"):
        timings(EAGER, [("a", of(nn.Identity())), ("b", of(Dying()))], count=2, repeats=1)


def test_one_that_cannot_be_sent_is_named() -> None:
    module = nn.Identity()
    module.lock = threading.Lock()
    with pytest.raises(RunError, match=r"'a' cannot be sent .* \(TypeError: cannot pickle '_thread.lock' object\)"):
        timings(EAGER, [("a", of(module))], count=1, repeats=1)


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


LONG = """
import os, signal, subprocess, sys, time
from pathlib import Path
import torch
from torch import nn
from archdial.cost.making.profiling import measure

class Sleepy(nn.Module):
    file = sys.argv[1]

    def forward(self, inputs):
        compiler = subprocess.Popen(["sleep", "600"])
        Path(self.file).write_text(f"{os.getpid()} {compiler.pid} all")
        time.sleep(600)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    measure(Sleepy(), (3,))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.fixture
def measuring(tmp_path: Path) -> Iterator[tuple[Copy, list[int]]]:
    """A long measurement, and the processes that it has begun: the one that measures, and one of that."""
    script, file = tmp_path / "script.py", tmp_path / "begun"
    script.write_text(LONG)
    # In a process of its own: libraries that other tests load are not prepared for a signal.
    run = Copy(LONG, file, file=script)
    until(lambda: not run.running or (file.is_file() and file.read_text().endswith("all")))
    begun = [int(pid) for pid in file.read_text().split()[:2]]
    yield run, begun
    run.kill()
    for pid in begun:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_an_interruption_ends_it(measuring: tuple[Copy, list[int]]) -> None:
    run, begun = measuring
    run.kill(signal.SIGINT)
    assert run.said(60).stdout == "interrupted\n"
    until(lambda: all(map(gone, begun)))


@pytest.mark.slow
def test_it_ends_with_one_that_is_killed(measuring: tuple[Copy, list[int]]) -> None:
    run, begun = measuring
    run.kill()
    until(lambda: all(map(gone, begun)))


SCRIPT = """
import torch, archdial as ad
from torch import nn

class Own(nn.Module):
    def forward(self, inputs):
        return inputs + 1

torch.set_num_threads(2)
torch.mm(torch.ones(900, 900), torch.ones(900, 900))
from archdial.cost.making.profiling import measure_many
print("timed", len(measure_many([(Own(), (3,)), (nn.Linear(3, 2), (3,))], threads=2, repeats=2)))
"""


@pytest.mark.slow
def test_a_script_without_a_guard_measures_classes_of_its_own_after_work_on_threads(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    run = copied.run(SCRIPT, file=script, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("timed 2\n", "", 0)


def test_threads_of_the_environment_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    class Refused(Exception):
        pass

    def begun(*_: object, env: dict[str, str], **__: object) -> None:
        seen.update(env)
        raise Refused

    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(subprocess, "Popen", begun)
    with pytest.raises(Refused):
        timings(runtime("eager", threads=3), [], count=0, repeats=1)
    assert seen["OMP_NUM_THREADS"] == seen["MKL_NUM_THREADS"] == "3"
