"""Tables of many parts: a design is measured, the rest predicted, and both said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from archdial.cost.making import design
from archdial.cost.making.profiling import profile
from archdial.cost.making.sampling import Sampled, sampled
from archdial.cost.measuring import isolation
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.timing import Progress
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Part, TermPlan
from tests.cost.examples import Toy
from tests.cost.making.sized import Measured, grid
from tests.cost.table.test_schema import VALIDATOR

WIDTHS = range(16, 129, 16)


def smooth(a: int, b: int) -> float:
    return 0.01 + 1e-4 * a * b


def wild(a: int, b: int) -> float:
    return float(numpy.random.default_rng(1000 * a + b).uniform(0.1, 10.0))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    monkeypatch.setattr(design, "MANY", 12)
    found = Measured({"smooth": smooth, "wild": wild, "launch": lambda: 0.001})
    monkeypatch.setattr(isolation, "timings", found)
    return found


def taken(parts: list[Part], progress: Progress | None = None, beside: tuple[Part, ...] = ()) -> Sampled:
    return sampled(Conditions.of("eager", 1, 1, 5, "cpu"), parts, beside, progress)


def test_few_parts_are_measured_and_nothing_is_said(measured: Measured) -> None:
    parts = grid("wild", range(1, 4), range(1, 5))
    found = taken(parts)
    assert measured.runs == [[part.key for part in parts]]
    assert found.predicted == frozenset() and found.header() == {}


def test_what_a_surface_tells_is_not_measured(measured: Measured) -> None:
    parts, beside = grid("smooth", WIDTHS, WIDTHS), grid("wild", [1], [1, 2])
    found = taken(parts, beside=tuple(beside))
    (run,) = measured.runs
    assert len(run) == 16 + 2 and run[-2:] == [part.key for part in beside]
    assert found.predicted == {part.key for part in parts} - set(run)
    assert set(found.timings) == {part.key for part in (*parts, *beside)}
    for part in parts:
        assert found.timings[part.key].median_ms == pytest.approx(measured.taken(part.key), rel=0.02)
    told = found.header()["interpolated"]
    assert (told["parts"], told["measured"], told["held_out"], told["within_10"]) == (64, 16, 12, 1.0)
    assert 0 <= told["held_out_mean_error"] < 0.01


def test_a_family_without_a_rule_is_measured_after_all_at_the_first_pace(measured: Measured) -> None:
    measured.paces = [1.0, 1.5]
    parts = [*grid("smooth", WIDTHS, WIDTHS), *grid("wild", WIDTHS, WIDTHS)]
    found = taken(parts)
    assert len(measured.runs) == 2 and len(found.predicted) == 48
    assert all(key.startswith("smooth/") for key in found.predicted)
    for part in parts:
        if part.family == "wild":
            assert found.timings[part.key].median_ms == pytest.approx(wild(*map(int, part.sizes)))
    assert found.header()["interpolated"]["parts"] == 64


@pytest.mark.parametrize("families", [["smooth"], ["smooth", "wild"], ["wild"]])
def test_progress_ends_once(measured: Measured, families: list[str]) -> None:
    seen: list[tuple[int, int]] = []
    taken([part for family in families for part in grid(family, WIDTHS, WIDTHS)], lambda *steps: seen.append(steps))
    assert seen[-1][0] == seen[-1][1] and all(done < total for done, total in seen[:-1])
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


class Wide(Toy):
    """One of many widths at the first choice, whatever the option."""

    def terms(self) -> list[TermPlan]:
        parts = grid("smooth", WIDTHS, WIDTHS)
        return [TermPlan((), {(): tuple(parts[:40])}), TermPlan(("a",), {("conv",): tuple(parts[40:])})]


def test_a_table_marks_what_was_predicted(measured: Measured, tmp_path: Path) -> None:
    network = Wide()
    table = profile(network, networks=0)
    marked = {key for key, part in table.parts.items() if part.predicted}
    assert len(marked) == 48 and table.runtime["interpolated"]["parts"] == 64
    assert not marked & {key for run in measured.runs for key in run}
    value: dict[str, Any] = json.loads(json.dumps(table.to_json()))
    VALIDATOR.validate(value)
    # What was measured is written as ever.
    assert {tuple(part) for key, part in value["parts"].items() if key not in marked} == {
        ("kind", "latency_ms", "latency_spread")
    }
    again = CostTable.load(table.save(tmp_path / "table.json"), network.space)
    assert again == table and json.dumps(again.to_json()) == json.dumps(table.to_json())


def test_a_prediction_is_not_called_noisy(measured: Measured, monkeypatch: pytest.MonkeyPatch) -> None:
    rough = Measured({"smooth": lambda a, b: smooth(a, b) * (1.0 + 0.1 * ((a + b) // 16 % 2))})
    monkeypatch.setattr(isolation, "timings", rough)
    table = profile(Wide(), networks=0)
    assert table.runtime["noisy"] == [] and table.runtime["spread"] == 0.01
