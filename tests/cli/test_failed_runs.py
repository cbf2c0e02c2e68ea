"""Interruptions, resuming, and failures that no one foresaw."""

from __future__ import annotations

import contextlib
import shlex
import signal
from pathlib import Path
from typing import Any

import pytest

from archdial.common.progress import Part
from archdial.families.storage import load_family
from archdial.training.plain_network import TrainPlain
from tests.cli.conftest import RECIPE, Searched, call, write_recipe


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Press Ctrl-C after a number of steps of the search."""
    count, before = 0, Part.advance

    def advance(self: Part, note: str = "") -> None:
        nonlocal count
        count += 1
        if count == step:
            signal.raise_signal(signal.SIGINT)
        before(self, note)

    monkeypatch.setattr(Part, "advance", advance)


@pytest.mark.slow
def test_ctrl_c_names_the_command_that_goes_on(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my run"
    words = ["search", str(searched.recipe), "--out", str(folder), "--seed", "3"]
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        stopped = call(*words, "--table", searched.folder / "table.json")
    assert stopped.status == 130
    assert stopped.sentence.endswith(f"archdial search {searched.recipe} --out '{folder}' --seed 3 --resume")
    assert not (folder / "family.json").exists()
    assert "already contains a run" in call(*words).sentence
    resumed = call(*words, "--resume", "--json")
    assert resumed.status == 0, resumed.err
    # To the bit what an uninterrupted run gives.
    assert load_family(folder).archive == load_family(searched.folder).archive


def test_resuming_a_finished_run_shows_it(searched: Searched) -> None:
    before = (searched.folder / "family.json").stat().st_mtime_ns
    answer = call("search", searched.recipe, "--out", searched.folder, "--resume", "--json")
    assert answer.status == 0, answer.err
    assert answer.json == searched.answer.json
    assert (searched.folder / "family.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("change", "options", "part"),
    [
        ("", ["--seed", "4"], "seed = 3, not 4"),
        ("", ["--epochs", "9"], "search.epochs = 2, not 9"),
        ("", ["--data", "/elsewhere"], "data = 'digits', not '/elsewhere'"),
        ("nodes: 2", [], "network.nodes = 1, not 2"),
    ],
)
def test_resuming_with_something_else(
    searched: Searched, tmp_path: Path, change: str, options: list[str], part: str
) -> None:
    recipe = write_recipe(tmp_path, RECIPE.replace("nodes: 1", change or "nodes: 1"))
    answer = call("search", recipe, "--out", searched.folder, "--resume", *options)
    assert answer.status == 2
    assert part in answer.sentence


def test_ctrl_c_outside_of_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdial.runs.recipe_file.recipe_names", lambda: signal.raise_signal(signal.SIGINT))
    answer = call("recipes")
    assert answer.status == 130
    assert "interrupted" in answer.sentence


def test_a_ctrl_c_that_an_import_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise AttributeError("half of a module")

    monkeypatch.setattr("archdial.runs.recipe_file.recipe_names", swallow)
    assert call("recipes").status == 130


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(28, "No space left on device", "/full/disk"), "no space left on device (/full/disk)"),
        (PermissionError(13, "Permission denied", "/root"), "permission denied (/root)"),
        (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError: division by zero"),
    ],
)
def test_what_no_one_foresaw(monkeypatch: pytest.MonkeyPatch, error: Exception, part: str) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("archdial.runs.recipe_file.recipe_names", fail)
    answer = call("recipes")
    assert answer.status == 1
    assert part in answer.sentence


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from archdial.cli import app
    from archdial.common.errors import UsageError

    result = CliRunner().invoke(app, ["--debug", "report", str(tmp_path / "none")])
    assert isinstance(result.exception, UsageError)


@pytest.mark.slow
def test_an_interrupted_finetune_goes_on(searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = ("finetune", searched.folder, "--at", 0.1, "--epochs", 3, "--json", "--out")
    alone, folder = call(*words, tmp_path / "alone"), tmp_path / "stopped"
    assert call(*words, folder, "--resume").sentence.endswith("omit --resume to start one there")
    with monkeypatch.context() as patch:
        interrupt_training(2, patch)
        stopped = call(*words, folder)
    again = shlex.join(["archdial", *map(str, words), str(folder), "--resume"])
    assert stopped.status == 130 and stopped.sentence.endswith(f"continue with the same command and --resume: {again}")
    assert [path.name for path in folder.iterdir()] == ["checkpoint.pt"]
    assert "continue it with --resume" in call(*words, folder).sentence
    resumed = call(*words, folder, "--resume")
    assert {**resumed.json, "folder": None} == {**alone.json, "folder": None}
    assert sorted(path.name for path in folder.iterdir()) == ["architecture.json", "weights.safetensors"]
    weights = [(place / "weights.safetensors").read_bytes() for place in (folder, tmp_path / "alone")]
    assert weights[0] == weights[1]
    assert "--resume requires --out" in call(*words[:-1], "--resume").sentence


def interrupt_training(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Send a SIGINT at a step of the training of one network."""
    taken, plain = [0], TrainPlain.__call__

    def call_of(self: TrainPlain, *arguments: Any) -> Any:
        taken[0] += 1
        if taken[0] == step:
            signal.raise_signal(signal.SIGINT)
        return plain(self, *arguments)

    monkeypatch.setattr(TrainPlain, "__call__", call_of)
