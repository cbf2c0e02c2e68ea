"""One tiny search for all tests of the command line, and how they call it."""

from __future__ import annotations

import copy
import functools
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sklearn.datasets
import typer
from typer import testing

from archdial.cli import app
from archdial.cost.measuring import isolation
from tests.cost.timed_here import timed_here
from tests.lessons import shorten

IN_A_PROCESS = isolation.timings

RECIPE = """
about: as small as can be
data: digits
channels: 1
weights: 0.5
limit: 120
network: {cells: 2, nodes: 1, channels: 2, stem_stride: 2}
search:
  method: two_stage
  dial_epochs: 1
  epochs: 2
  batch_size: 30
  evaluations: 6
  sample: 4
  evaluation_images: 40
  calibration_images: 40
  hypernet: {kind: linear}
profile: {networks: 10, repeats: 3}
"""


@dataclass
class Answer:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def sentence(self) -> str:
        """The one line that an error prints."""
        assert self.out == ""
        lines = [line for line in self.err.splitlines() if line.strip()]
        # A progress bar may have begun before.
        assert lines[-1].startswith("error: "), self.err
        assert "Traceback" not in self.err
        return lines[-1]


def call(*arguments: object) -> Answer:
    """Run one command in this process."""
    result = testing.CliRunner().invoke(app, [str(argument) for argument in arguments])
    return Answer(result.exit_code, result.stdout, result.stderr)


def done(*arguments: object) -> Answer:
    """Run one command that has to end well."""
    answer = call(*arguments)
    assert answer.status == 0, answer.err
    return answer


def write_module(folder: Path, name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a module of the user's be importable, as it is in `folder`."""
    (folder / f"{name}.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, name, raising=False)


def write_recipe(folder: Path, text: str = RECIPE) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="session", autouse=True)
def commands_once() -> Iterator[None]:
    """Read what the commands take from their signatures once, as a process of its own does, and not for each call."""
    with pytest.MonkeyPatch.context() as patch:
        # By a name that is typer's own: without it tests are slower, and no different.
        patch.setattr(testing, "_get_command", functools.cache(typer.main.get_command), raising=False)
        yield


@pytest.fixture(scope="package", autouse=True)
def brief() -> Iterator[None]:
    """Let all searches here learn as briefly, and read digits once: whether they go through is asked."""
    read = functools.cache(sklearn.datasets.load_digits)
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        patch.setattr(sklearn.datasets, "load_digits", lambda **options: copy.deepcopy(read(**options)))
        yield


@pytest.fixture(scope="module", autouse=True)
def measuring_here() -> Iterator[None]:
    """Start no process for each measurement: most of its seconds go into importing torch, and none into the clock."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "timings", timed_here)
        yield


@dataclass
class Searched:
    recipe: Path
    folder: Path
    answer: Answer


@pytest.fixture(scope="package")
def searched(brief: None, tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """A finished run; tests that change its folder take `copied`."""
    place = tmp_path_factory.mktemp("cli")
    recipe = write_recipe(place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isolation, "timings", IN_A_PROCESS)
        answer = call("search", recipe, "--out", place / "run", "--seed", 3, "--json")
    assert answer.status == 0, answer.err
    return Searched(recipe, place / "run", answer)


@pytest.fixture
def copied(searched: Searched, tmp_path: Path) -> Path:
    """A copy of the finished run, to spoil."""
    return Path(shutil.copytree(searched.folder, tmp_path / "copy"))
