"""archdial doctor says what is there, what is missing, and whether timing is steady."""

from __future__ import annotations

import pytest

from archdial.common import extras as room
from archdial.common.extras import Library
from archdial.cost.measuring import steadiness as steady_room
from archdial.cost.measuring.rounds import Timing
from archdial.cost.table.machine import cores
from tests.cli.conftest import call


def timed(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steady_room, "steadiness", lambda: Timing(1.0, spread))


def test_it_measures_here() -> None:
    value = call("doctor", "--json").json
    assert value["machine"]["cores"] == cores()
    assert value["versions"]["torch"].startswith("2.")
    assert value["timing"]["median_ms"] > 0
    assert value["timing"]["steady"] == (value["timing"]["spread"] <= 0.1)
    assert value["extras"]["report"]["complete"]
    assert value["extras"]["report"]["libraries"]["plotly"]["fits"]


def test_what_is_missing_comes_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    timed(0.02, monkeypatch)
    found = {"report": [Library("plotly", "<8,>=6", "5.1", False), Library("matplotlib", ">=3.8", None, False)]}
    monkeypatch.setattr(room, "extras", lambda: found)
    answer = call("doctor")
    assert answer.status == 0
    assert "plotly 5.1 (needs <8,>=6), matplotlib missing" in answer.out
    assert 'pip install "archdial[report]"' in answer.out


@pytest.mark.parametrize(("spread", "said"), [(0.03, "is steady: "), (0.31, "is not steady: ")])
def test_the_verdict(spread: float, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(spread, monkeypatch)
    out = call("doctor").out
    assert f"timing on this machine {said}" in out and f"vary by {spread:.1%}" in out
    assert ("close other programs" in out) == (spread > 0.1)
