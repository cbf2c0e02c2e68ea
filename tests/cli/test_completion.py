"""Completion in shells: what is offered, in which shells, and that nobody waits for torch at a prompt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from archdial.cli import completing

ASKED = """
import contextlib, io, json, os, sys
from archdial.cli import app

found = {}
for words in json.loads(sys.argv[1]):
    os.environ.update(_ARCHDIAL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(words.count(" ")))
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        app([], prog_name="archdial")
    found[words] = said.getvalue().split()
assert "torch" not in sys.modules
print(json.dumps(found))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for path in ("runs/digits/family.json", "runs/begun/config.json", "member/architecture.json", "other/notes.txt"):
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).touch()
    (tmp_path / "mine.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_runs_are_found_here_and_one_folder_below(folder: Path) -> None:
    assert completing.runs("") == completing.runs("ru") == completing.runs("runs/") == ["runs/begun", "runs/digits"]
    assert completing.runs("runs/d") == ["runs/digits"]
    assert completing.runs(f"{folder}/runs/d") == [f"{folder}/runs/digits"]
    assert completing.runs("nowhere/") == completing.runs("other") == []
    assert completing.runs_and_members("") == ["member", "runs/begun", "runs/digits"]


def test_recipes_and_data(folder: Path) -> None:
    assert completing.recipes("di") == ["digits"]
    assert completing.recipes("mi") == ["mine.yaml"]
    assert completing.recipes("../") == []
    assert completing.data_sources("") == ["digits", "member", "other", "runs"]


def test_the_last_of_several_names() -> None:
    complete = completing.some_of(completing.BASELINES)
    assert complete("random,gr") == ["random,greedy"]
    assert "random,random" not in complete("random,") and "random,drawn" in complete("random,")


def test_names_are_those_of_the_registries() -> None:
    from archdial.comparing.baselines import BASELINES
    from archdial.cost.measuring.runtimes import RUNTIMES
    from archdial.exporting.eight_bits import QUANTIZERS
    from archdial.exporting.formats import FORMATS

    assert (set(completing.RUNTIMES), set(completing.FORMATS)) == (set(RUNTIMES), set(FORMATS))
    assert set(completing.QUANTIZERS) == set(QUANTIZERS)
    assert set(completing.BASELINES) == set(BASELINES)


@pytest.mark.slow
def test_options_are_completed_without_torch(folder: Path) -> None:
    expected = {
        "archdial fin": {"finetune"},
        "archdial search cifar10_": {"cifar10_3ops", "cifar10_3ops_papers"},
        "archdial profile digits --runtime o": {"onnxruntime", "openvino"},
        "archdial export member --format on": {"onnx"},
        "archdial compare runs/digits --baselines random,gr": {"random,greedy"},
        "archdial evaluate runs/digits --split t": {"test"},
        "archdial pick runs/digits --lat": {"--latency-ms"},
        "archdial pick runs/d": {"runs/digits"},
        "archdial train mine.yaml --device cu": {"cuda"},
    }
    code = [sys.executable, "-c", ASKED, json.dumps(list(expected))]
    done = subprocess.run(code, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert {words: set(found) for words, found in json.loads(done.stdout).items()} == expected


BASH = """
eval "$(archdial --show-completion)"
COMP_WORDS=(archdial search dig) COMP_CWORD=2
_archdial_completion archdial
echo "${COMPREPLY[@]}"
"""
ZSH = """
compdef() { :; }
_arguments() { echo "$@" }
eval "$(archdial --show-completion)"
words=(archdial search dig) CURRENT=3
_archdial_completion
"""
FISH = """
archdial --show-completion | source
complete --do-complete "archdial search dig"
"""


@pytest.mark.slow
@pytest.mark.parametrize(("shell", "script"), [("bash", BASH), ("zsh", ZSH), ("fish", FISH)])
def test_a_shell_completes(shell: str, script: str, tmp_path: Path) -> None:
    place = shutil.which(shell)
    if place is None:
        pytest.skip(f"{shell} is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [place, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "digits" in done.stdout, done
    assert "fashion" not in done.stdout
