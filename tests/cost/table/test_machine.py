"""The cores that measuring may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from archdial.common.errors import OtherConditions, UsageError
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.table import machine
from archdial.cost.table.several import check_name
from archdial.families.timed import _threads


@pytest.mark.parametrize(("said", "cores"), [("max 100000", 6), ("150000 100000", 2), ("5000 100000", 1), ("9", 6)])
def test_cores_are_those_bound_to_and_paid_for(monkeypatch: pytest.MonkeyPatch, said: str, cores: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(6)), raising=False)
    monkeypatch.setattr(Path, "read_text", lambda path, **_: said)
    assert machine.cores() == cores


def test_a_table_on_more_threads_than_cores_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 2)
    assert Conditions.of("eager", 1, 2, 3, "cpu").runtime.threads == 2
    for threads in (3, 100_000):
        with pytest.raises(UsageError, match=f"threads is {threads}: expected at most 2, the cores of this process"):
            Conditions.of("eager", 1, threads, 3, "cpu")


def test_a_table_from_a_larger_machine_is_measured_here_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdial.families.timed.cores", lambda: 2)
    assert _threads(2) == 2
    with pytest.warns(OtherConditions, match="for 8 threads, but this process may use 2 cores"):
        assert _threads(8) == 2


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".", "", " pi", "pi ", "a\nb", "a\\b", "c:d"])
def test_hardware_has_a_plain_name(name: str) -> None:
    with pytest.raises(UsageError, match="expected a plain name"):
        check_name(name)
    check_name("pi 4 (big cores)")


@pytest.mark.parametrize("name", ["cpu:3", "meta", "cuda:" + "9" * 30, "cuda:-1", "", "x" * 1000])
def test_devices_that_are_none(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        machine.device(name)
    assert len(str(caught.value)) < 200
