"""What is told of long work where no bar can be seen."""

from __future__ import annotations

import pytest

from archdial.common.progress import Bar, NoBar


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_file_gets_a_line_a_minute(capfd: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with Bar(clock) as bar:
        part = bar.part("weights", 10)
        for second in (10, 59, 61, 100, 122):
            clock.now = second
            part.advance(f"loss {second}")
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("weights:")]
    assert [line.split(",")[0] for line in lines] == ["weights: 3 of 10", "weights: 5 of 10"]
    assert [line.rpartition(", ")[2] for line in lines] == ["loss 61", "loss 122"]


def test_short_work_is_told_by_its_end_alone(capfd: pytest.CaptureFixture[str]) -> None:
    with Bar(Clock()) as bar:
        bar.part("latency", 4).upto(4, 4)
    assert "latency:" not in capfd.readouterr().err


def test_no_bar_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with NoBar() as bar:
        bar.part("weights", 2).advance("loss 1")
    assert capfd.readouterr() == ("", "")
