"""The next command: on standard error, as the last line, and one that works when it is pasted."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from archdial.cli.following import command, middle, pick_next, report_next
from tests.cli.conftest import Answer, Searched, done


def following(answer: Answer) -> list[str]:
    """Return the words of the command that comes next; standard output is as ever."""
    last = answer.err.splitlines()[-1]
    assert last.startswith("Next: archdial ") and "Next:" not in answer.out
    return shlex.split(last.removeprefix("Next: archdial "))


def test_a_command_as_it_is_typed() -> None:
    told = command("pick", Path("my runs/a"), latency_ms=0.5, on=None, trust=True, measure=False, device="pi 4")
    assert told == "archdial pick 'my runs/a' --latency-ms 0.5 --trust --device 'pi 4'"


def test_a_budget_that_can_be_met() -> None:
    assert middle({"latency_ms": [1.0, 4.0]}) == 2.5
    # Where all members take about as long, it stays above what a promise keeps as a margin.
    assert middle({"latency_ms": [1.0, 1.1]}) == 1.3
    assert middle({}) is middle(None) is None
    assert pick_next(Path("run"), None) == "archdial evaluate run"


def test_a_report_needs_members_first(tmp_path: Path) -> None:
    assert report_next(tmp_path, trust=True) == f"archdial evaluate {tmp_path} --split test --trust"
    (tmp_path / "members.json").touch()
    assert report_next(tmp_path, trust=True) == f"archdial report {tmp_path}"


@pytest.mark.slow
def test_one_command_leads_to_the_next(searched: Searched, tmp_path: Path) -> None:
    """From search to report, each as the one before names it, in a folder that has to be quoted."""
    first = following(searched.answer)
    assert first[:3] == ["pick", str(searched.folder), "--latency-ms"]
    run = Path(shutil.copytree(searched.folder, tmp_path / "my run"))
    picked = done("pick", run, *first[2:], "--json")
    assert following(picked) == ["finetune", str(run), *first[2:], "--out", f"{run}-finetuned"]
    unsaved = done("finetune", run, "--at", 0.1, "--epochs", 1)
    assert following(unsaved) == ["finetune", str(run), "--at", "0.1", "--epochs", "1", "--out", f"{run}-finetuned"]
    tuned = done(*following(picked), "--epochs", 1)
    folder = f"{run}-finetuned"
    assert following(tuned) == ["export", folder, "--format", "onnx", "--out", f"{folder}.onnx"]
    report = following(done("evaluate", run, "--count", 2))
    assert report == ["report", str(run)]
    again = following(done(*report))
    assert again[:2] == ["pick", str(run)] and done(*again, "--out", tmp_path / "m").status == 0
