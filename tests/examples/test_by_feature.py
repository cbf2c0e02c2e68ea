"""Each script in examples/by_feature goes through on tiny settings, and what it prints holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import archdial as ad
from archdial.comparing import measured
from archdial.cost.making.pace import Pace
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.scaled import scaled
from archdial.cost.table.table import CostTable
from archdial.dial import DIALS
from archdial.families import timing_candidates
from archdial.networks.cells.operations import BY_DIMENSIONS
from archdial.networks.supernet import Supernet
from tests.examples.running import check_short, numbers, run_script
from tests.families.promised import ERRORS
from tests.networks.examples import counted_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons")]
SCRIPTS = Path(__file__).parents[2] / "examples" / "by_feature"


def counted(network: Supernet, batch_size: int = 1, **_: Any) -> CostTable:
    """Return a table whose times follow from counts: nothing is asked here of those that are measured."""
    table = counted_table(network)
    return scaled(table, batch_size, table.runtime)


def run(name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], steps: int = 20) -> list[str]:
    arguments = ["1", str(steps // 2)]
    return run_script(SCRIPTS / f"{name}.py", arguments, counted, {"dial_steps": steps}, monkeypatch, capsys)


def test_each_script_is_short_and_says_how_it_is_run() -> None:
    check_short(SCRIPTS, 60, " [", Path(__file__).read_text())


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


def test_widths(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("widths", monkeypatch, capsys)
    whole, half = numbers(lines, r"([\d.]+) ms$")
    assert 0 < half <= whole / 2 + 1e-3
    kept = numbers(lines, r"width: (\d+)% of the channels")
    assert len(kept) == 4 and min(kept) < 100


def test_own_loss(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("own_loss", monkeypatch, capsys)
    whole, half = numbers(lines, r"([\d.]+) ms$")
    assert 0 < half <= whole / 2 + 1e-3
    left = numbers(lines, r"([\d.]+)% of the noise is left")
    # Without a network, all of it is left; a zero would leave more, as the waves are larger than the noise.
    assert all(0 < share < 300 for share in left) and left[0] != left[1]


def test_own_dial(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(DIALS, "speedup", DIALS["budget"])
    del DIALS["speedup"]
    lines = run("own_dial", monkeypatch, capsys, steps=60)
    reached = numbers(lines, r": ([\d.]+)x as fast")
    assert len(reached) == 4 and 1 <= reached[0] < reached[-1]


def test_promise(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def timed(members: Any, **_: Any) -> list[Timing]:
        return [Timing(1.1 * member.latency_ms, 0.01) for member in members]

    monkeypatch.setattr(ad.Family, "residuals", ERRORS)
    monkeypatch.setattr(timing_candidates, "pace_now", lambda *_: Pace((1.1,) * 6))
    monkeypatch.setattr(timing_candidates, "warn_drift", lambda *_: None)
    monkeypatch.setattr(timing_candidates, "timed", timed)
    first, *promised, last = run("promise", monkeypatch, capsys)
    (budget,) = numbers([first], r"^budget: ([\d.]+) ms")
    assert [line.partition(":")[0] for line in promised] == ["50% confident", "80% confident", "95% confident"]
    most, expected = numbers(promised, r"at most ([\d.]+) ms"), numbers(promised, r"expected ([\d.]+) ms")
    margins = [one / other - 1 for one, other in zip(most, expected, strict=True)]
    assert len(margins) == 3 and margins[0] < 1e-3 < margins[1] < margins[2]
    assert max(*most, *numbers([last], r"^measured: ([\d.]+) ms")) <= budget + 1e-3


@pytest.mark.usefixtures("short_lesson")
def test_refine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("refine", monkeypatch, capsys)
    scores = numbers(lines, r"inherited, ([\d.]+)% trained")
    assert len(scores) == len(lines) and scores == sorted(scores)
    assert any(line.endswith("(measured)") for line in lines)


@pytest.mark.usefixtures("short_lesson")
def test_devices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = run("devices", monkeypatch, capsys)
    fastest = dict(zip(("one", "four", "sixteen"), numbers(lines[:3], r": ([\d.]+) to"), strict=True))
    assert fastest["four"] == pytest.approx(4 * fastest["one"], rel=0.02)
    assert fastest["sixteen"] == pytest.approx(16 * fastest["one"], rel=0.02)
    assert [line.partition(",")[0] for line in lines[3:]] == ["one image", "four images", "sixteen images"]


def test_compare(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(measured, "with_latency", lambda members, **_: members)
    whole, *curves = run("compare", monkeypatch, capsys)
    assert whole.startswith("whole network: ")
    assert [line.partition(":")[0] for line in curves] == ["hypernetwork", "random", "greedy"]
    assert all(0 < area <= 100 for area in numbers(curves, r": ([\d.]+)% on average"))
