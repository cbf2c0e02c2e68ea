"""Each script in examples/by_feature goes through on tiny settings, and what it prints holds."""

from __future__ import annotations

import re
import runpy
import sys
from pathlib import Path

import pytest

import archdial as ad
from archdial.networks.cells.operations import BY_DIMENSIONS
from tests.networks.examples import counted_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons")]
SCRIPTS = Path(__file__).parents[2] / "examples" / "by_feature"


def run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], steps: int = 20) -> list[str]:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "1", str(steps // 2)])
    monkeypatch.setattr(ad, "profile", counted_table)
    settings = ad.SearchSettings
    monkeypatch.setattr(ad, "SearchSettings", lambda **given: settings(**{**given, "dial_steps": steps}))
    runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    return capsys.readouterr().out.splitlines()


def numbers(lines: list[str], pattern: str) -> list[float]:
    return [float(found.group(1)) for line in lines if (found := re.search(pattern, line))]


def test_each_script_is_short_and_says_how_it_is_run() -> None:
    for path in SCRIPTS.glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 60, path.name
        assert f"python examples/by_feature/{path.name} [" in text.splitlines()[0], path.name
        assert f"def test_{path.stem}(" in Path(__file__).read_text(), path.name


def test_cells(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    *front, last = run("cells", monkeypatch, capsys)
    times, scores = numbers(front, r"^([\d.]+) ms"), numbers(front, r"([\d.]+)% of the validation")
    assert len(times) == len(front) and times == sorted(times) and scores == sorted(scores)
    assert last.startswith("most accurate member: ")


def test_simplex_dial(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("simplex_dial", monkeypatch, capsys)
    used, choices = numbers(lines, r": (\d+) of"), numbers(lines, r"of (\d+) choices")
    assert len(used) > 1 and all(some < every for some, every in zip(used, choices, strict=True))


def test_budget_dial(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    # Enough steps that the position matters.
    times = numbers(run("budget_dial", monkeypatch, capsys, steps=80), r": ([\d.]+) ms")
    assert len(times) == 4 and times[0] < times[-1] and times[0] == min(times)


def test_export(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    first, last = run("export", monkeypatch, capsys)
    assert numbers([first], r"at most ([\d.e+-]+)")[0] < 1e-4
    assert last == "without archdial: outputs of shape (3, 10)"


def test_finetune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("finetune", monkeypatch, capsys)
    assert [line.partition(":")[0] for line in lines] == ["inherited", "fine-tuned", "from scratch"]
    assert len(set(numbers(lines, r"([\d.]+)%"))) > 1


def test_own_operation(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(BY_DIMENSIONS, 2, dict(BY_DIMENSIONS[2]))
    lines = run("own_operation", monkeypatch, capsys)
    # Two cells of two nodes, the first with two inputs and the second with three.
    assert set(numbers(lines, r"of (\d+) choices")) == {2 * (2 + 3)}
    # Of a front at random one member at least has one.
    assert sum(numbers(lines, r"(\d+) of")) > 0


def test_gates(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("gates", monkeypatch, capsys)
    whole, half = numbers(lines, r"([\d.]+) ms$")
    assert 0 < half <= whole / 2 + 1e-3
