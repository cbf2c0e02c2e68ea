"""Each script in examples/bridges goes through on tiny settings, and what it prints holds."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import pytest
import transformers
from torch.utils.data import DataLoader

from tests.examples.running import check_short, numbers, run_script
from tests.examples.test_scripts import texts
from tests.networks.examples import counted_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons"), pytest.mark.filterwarnings("ignore")]
SCRIPTS = Path(__file__).parents[2] / "examples" / "bridges"


def run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: str) -> list[str]:
    settings = {"dial_steps": 20, "rounds": 2}
    return run_script(SCRIPTS / f"{name}.py", [*given, "1", "6"], counted_table, settings, monkeypatch, capsys)


def test_each_script_is_short_and_says_how_it_is_run() -> None:
    check_short(SCRIPTS, 75, " ", Path(__file__).read_text())


def test_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    config = transformers.BertConfig
    monkeypatch.setattr(transformers, "BertConfig", lambda **given: config(**{**given, "num_hidden_layers": 2}))
    lines = run("trainer", monkeypatch, capsys, str(texts(tmp_path)))
    whole, half = numbers(lines, r"of the test split, ([\d.]+) ms$")
    assert 0 < half <= whole / 2 + 1e-3


def test_lightning_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    every = DataLoader.__iter__
    monkeypatch.setattr(DataLoader, "__iter__", lambda self: itertools.islice(every(self), 3))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        whole, half = numbers(run("lightning_module", monkeypatch, capsys), r"of the test split, ([\d.]+) ms$")
    assert 0 < half <= whole / 2 + 1e-3
    # It trains whatever it is given in the mode that it is in.
    assert not any("in eval mode" in str(one.message) for one in told)


def test_own_normalization(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    *modules, file = run("own_normalization", monkeypatch, capsys)
    told, *ways = (numbers(modules, rf"{way} ([\d.]+)%") for way in (r"^[\w ]+:", "never", "once", "twice"))
    never, once, twice = ways
    assert len(told) == 2 and told == once
    assert never != once != twice
    assert numbers([file], r"^file: ([\d.]+)%") == once[1:]
