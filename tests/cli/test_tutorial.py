"""docs/tutorial.md, top to bottom in an empty folder: files are saved, commands and scripts run in order."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from archdial.cli import main
from tests.cli.conftest import done

HOME = Path(__file__).parents[2]
PAGE = (HOME / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.M | re.S)
INSTALLING, *COMMANDS = [text for kind, text in BLOCKS if kind == "sh"]
IN_ITS_OWN_PROCESS = "archdial export "


def test_the_page_installs_what_there_is() -> None:
    told = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (extras,) = re.findall(r'"archdial\[([\w,]+)\]"', INSTALLING)
    assert set(extras.split(",")) <= set(told["optional-dependencies"])
    assert "torch==2.13.0" in INSTALLING
    (command,) = entry_points(group="console_scripts", name="archdial")
    assert command.load() is main


@pytest.mark.slow
@pytest.mark.usefixtures("exported_once")
@pytest.mark.filterwarnings("ignore")
def test_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    # As `python FILE` has it; commands find the folder on their own, which the one in its own process shows.
    monkeypatch.syspath_prepend(str(tmp_path))
    said = {}
    for kind, text in BLOCKS:
        if kind in ("python", "yaml"):
            name = text.partition("\n")[0].removeprefix("# ")
            assert re.fullmatch(r"\w+\.(py|yaml)", name), name
            Path(name).write_text(text, encoding="utf-8")
        elif kind == "sh" and text != INSTALLING:
            for line in text.splitlines():
                said[line] = run(line, capsys)
        else:
            assert kind in ("text", "sh")
    for name in ("choices", "digits_cnn"):
        del sys.modules[name]
    assert list(said) == [line for text in COMMANDS for line in text.splitlines()]
    accuracies = [float(said[f"python {name}.py"].split()[2]) for name in ("digits_cnn", "run_onnx")]
    assert min(accuracies) > 0.9
    assert "of the test split" in said["python search.py"]
    assert "6 choices, captured by torch.export" in said["python choices.py"]
    assert Path("runs/digits/report.html").is_file() and Path("search.onnx").is_file()
    assert json.loads(Path("digits.onnx.json").read_text(encoding="utf-8"))["file_format"] == "onnx"


def run(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run one command of the page; what is imported here already need not be imported again for each."""
    program, *words = shlex.split(line)
    if line.startswith(IN_ITS_OWN_PROCESS) or line == "python run_onnx.py":
        return installed(program, words)
    if program == "archdial":
        return done(*words).out
    assert program == "python"
    (file,) = words
    capsys.readouterr()
    runpy.run_path(file, run_name="__main__")
    return capsys.readouterr().out


def installed(program: str, words: list[str]) -> str:
    """Run what is installed, which finds the sources of these tests, and nothing in the working folder."""
    environment = {**os.environ, "PYTHONPATH": str(HOME / "src")}
    call = [str(Path(sys.executable).parent / program), *words]
    answer = subprocess.run(call, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout
