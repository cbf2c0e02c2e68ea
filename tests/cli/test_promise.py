"""What `pick` promises, measures and offers, and tables that are scaled to the pace of the machine."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archdial.cost.making import recalibrating
from archdial.cost.making.pace import Pace
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.table import CostTable
from archdial.families import timing_candidates
from archdial.families.family import Family
from archdial.families.storage import load_family, save_family
from tests.cli.conftest import Searched, call, done
from tests.families.promised import ERRORS

PROMISE = {"budget_ms", "latency_ms", "confidence", "margin", "predicted_ms", "measured_ms"}


@pytest.fixture
def sure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables of three repetitions on a busy machine may be off by anything: these are off by a few percent."""
    monkeypatch.setattr(Family, "residuals", ERRORS)


def budget(searched: Searched, part: float = 0.7) -> float:
    low, high = searched.answer.json["range"]["latency_ms"]
    return low + part * (high - low)


def test_the_promise_stands_in_the_answer(searched: Searched, sure: None) -> None:
    answer = done("pick", searched.folder, "--latency-ms", budget(searched), "--json").json
    promise = answer["promise"]
    assert set(promise) == PROMISE
    assert promise["predicted_ms"] == answer["latency_ms"] < promise["latency_ms"] <= budget(searched)
    assert (promise["confidence"], promise["measured_ms"]) == (0.95, None)
    shown = done("pick", searched.folder, "--latency-ms", budget(searched)).out
    assert re.search(r"at most [\d.]+ ms with 95 % confidence: predicted [\d.]+ ms plus a margin", shown)


def test_another_confidence(searched: Searched, sure: None) -> None:
    found = [
        done("pick", searched.folder, "--latency-ms", budget(searched), "--confidence", level, "--json").json["promise"]
        for level in (0.5, 0.9, 0.99)
    ]
    assert [one["confidence"] for one in found] == [0.5, 0.9, 0.99]
    assert found[0]["margin"] == 0 < found[1]["margin"] < found[2]["margin"]
    shown = done("pick", searched.folder, "--latency-ms", budget(searched), "--confidence", 0.5).out
    assert "ms, without a margin" in shown


def test_a_table_that_tells_no_errors_promises_nothing(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Family, "residuals", ())
    answer = done("pick", searched.folder, "--latency-ms", budget(searched), "--json").json
    assert answer["promise"]["confidence"] is None and answer["promise"]["margin"] is None
    shown = done("pick", searched.folder, "--latency-ms", budget(searched)).out
    assert (
        "with no guarantee: the cost table has no errors measured on whole networks, or they are too large; try"
        in shown
    )


def test_a_budget_that_the_margin_puts_out_of_reach(searched: Searched, sure: None) -> None:
    least = searched.answer.json["range"]["latency_ms"][0] * 1.001
    answer = call("pick", searched.folder, "--latency-ms", least)
    assert answer.status == 2
    assert "--confidence 0.5" in answer.sentence and "--measure" in answer.sentence
    assert (
        done("pick", searched.folder, "--latency-ms", least, "--confidence", 0.5, "--json").json["latency_ms"] <= least
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--latency-ms", "1", "--confidence", "1"], "confidence is 1: expected a number from 0.5"),
        (["--latency-ms", "1", "--confidence", "0.2"], "confidence is 0.2: expected"),
        (["--latency-ms", "1", "--confidence", "nan"], "confidence is nan: expected"),
        (["--params", "1e9", "--confidence", "0.9"], "--confidence requires --latency-ms"),
        (["--params", "1e9", "--measure"], "(--measure) requires latency_ms"),
        (["--at", "0.1", "--measure"], "--confidence and --measure require --latency-ms"),
        (["--at", "0.1", "--confidence", "0.9"], "--confidence and --measure require --latency-ms"),
    ],
)
def test_wrong_calls(searched: Searched, options: list[str], message: str) -> None:
    answer = call("pick", searched.folder, *options)
    assert answer.status == 2 and message in answer.sentence


@pytest.mark.slow
def test_measure_times_candidates_here(searched: Searched, tmp_path: Path) -> None:
    """On whatever machine: a budget that all meet is met, and the folder holds what was found."""
    most = 50 * searched.answer.json["range"]["latency_ms"][1]
    answer = done("pick", searched.folder, "--latency-ms", most, "--measure", "--out", tmp_path / "m", "--json").json
    measured = answer["promise"]["measured_ms"]
    assert 0 < measured == answer["latency_ms"] <= most and answer["provenance"]["latency_ms"] == "measured"
    stored = json.loads((tmp_path / "m" / "architecture.json").read_text(encoding="utf-8"))["member"]
    assert stored["promise"]["measured_ms"] == measured


def test_measure_says_so_and_tells_of_drift(searched: Searched, sure: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def timed(members: Any, **_: Any) -> list[Timing]:
        return [Timing(1.2 * member.latency_ms, 0.01) for member in members]

    monkeypatch.setattr(timing_candidates, "pace_now", lambda *_: Pace((1.19, 1.2, 1.21) * 2))
    monkeypatch.setattr(timing_candidates, "timed", timed)
    answer = done("pick", searched.folder, "--latency-ms", 1.2 * budget(searched), "--measure")
    assert re.search(r"measured on this machine: [\d.]+ ms, the slower of two processes; budget", answer.out)
    assert "warning: networks take 1.20 times as long as the cost table says" in answer.err
    assert "archdial profile RUN --recalibrate" in answer.err


def offered(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith("a cheaper member is as good within noise: ")]
    return line


def rigged(folder: Path) -> Family:
    """Let the run hold a member that is as good as the best, and half as dear."""
    family = load_family(folder)
    cost = family.costs["latency_ms"]
    ordered = sorted(family.archive, key=lambda one: cost.of(one.architecture))
    assert cost.of(ordered[0].architecture) < 0.8 * cost.of(ordered[-1].architecture)
    scores = dict.fromkeys((one.architecture for one in family.archive), 0.3)
    scores |= {ordered[-1].architecture: 0.9, ordered[0].architecture: 0.89}
    archive = tuple(replace(one, score=scores[one.architecture]) for one in family.archive)
    # What was never evaluated is out of the question.
    return save_and_load(replace(family, archive=archive), folder)


def save_and_load(family: Family, folder: Path) -> Family:
    save_family(family, folder)
    return load_family(folder)


@pytest.mark.parametrize("more", [[], ["--confidence", "0.9"], ["--size-bytes", "1000000"]])
def test_a_cheaper_member_that_is_as_good_is_offered(copied: Path, sure: None, more: list[str]) -> None:
    rigged(copied)
    most = 1e6
    value = done("pick", copied, "--latency-ms", most, *more, "--json").json
    assert value["accuracy"] - value["cheaper"]["accuracy"] < 0.06
    assert value["cheaper"]["latency_ms"] <= 0.9 * value["latency_ms"]
    line = offered(done("pick", copied, "--latency-ms", most, *more).out)
    assert "one standard error on 40 examples is" in line and " points; to pick it: archdial pick " in line
    words = shlex.split(line.partition("to pick it: archdial ")[2])
    taken = done(*words, "--json").json
    assert taken["architecture"] == value["cheaper"]["architecture"]
    assert set(more) <= set(words)


def test_it_is_offered_by_the_budget_that_was_given(copied: Path) -> None:
    rigged(copied)
    value = done("pick", copied, "--params", 10**9, "--json").json
    assert value["cheaper"]["parameters"] <= 0.9 * value["parameters"]
    line = offered(done("pick", copied, "--params", 10**9).out)
    words = shlex.split(line.partition("to pick it: archdial ")[2])
    assert words[-2:] == ["--params", str(value["cheaper"]["parameters"])]
    assert done(*words, "--json").json["architecture"] == value["cheaper"]["architecture"]


def test_nothing_is_offered_at_a_position(copied: Path) -> None:
    rigged(copied)
    assert done("pick", copied, "--at", 0.1, "--json").json["cheaper"] is None
    assert "as good within" not in done("pick", copied, "--at", 0.1).out


@pytest.fixture
def slower(monkeypatch: pytest.MonkeyPatch) -> Pace:
    """A machine that takes 1.25 times what it took."""
    found = Pace((1.24, 1.25, 1.26) * 3 + (1.25,))
    monkeypatch.setattr(recalibrating, "pace_now", lambda *_, **__: found)
    return found


def test_the_table_of_a_run_is_recalibrated(copied: Path, slower: Pace, sure: None) -> None:
    before = load_family(copied)
    table = (copied / "table.json").read_bytes()
    found = done("profile", copied, "--recalibrate", "--json").json
    assert found == {"table": str(copied / "family.json"), **slower.to_json(), "uneven": False}
    after = load_family(copied)
    for name in ("lowest", "highest"):
        old, new = (getattr(family.costs["latency_ms"], name) for family in (before, after))
        assert new == pytest.approx(1.25 * old)
    assert after.table.runtime["recalibrated"]["ratio"] == pytest.approx(1.25)
    # What the search began with stays, as it goes on with that.
    assert (copied / "table.json").read_bytes() == table
    at = [done("pick", copied, "--at", 0.1, "--json").json["architecture"]]
    assert at == [before.space.describe(before.at(0.1).architecture)]
    shown = done("profile", copied, "--recalibrate").out
    assert "10 networks take 1.250 times as long as the table says, ±" in shown and "× 1.250" in shown


def test_a_table_in_a_file_is_recalibrated(searched: Searched, tmp_path: Path, slower: Pace) -> None:
    file = tmp_path / "laptop.json"
    file.write_bytes((searched.folder / "table.json").read_bytes())
    before = CostTable.load(file)
    found = done("profile", searched.recipe, "--table", file, "--recalibrate", "--json").json
    assert found["table"] == str(file) and found["pace"] == pytest.approx(1.25) and found["drifted"]
    after = CostTable.load(file)
    assert after.fit is not None and before.fit is not None
    assert after.fit.constant_ms == pytest.approx(1.25 * before.fit.constant_ms)
    assert [path.name for path in tmp_path.iterdir()] == ["laptop.json"]


def test_wrong_calls_of_recalibrate(searched: Searched, copied: Path, tmp_path: Path) -> None:
    for arguments, message in (
        ([tmp_path / "none", "--recalibrate"], "not a run; pass a folder"),
        ([searched.recipe, "--recalibrate"], "not a run; pass a folder"),
        ([copied, "--recalibrate", "--check"], "omit --check"),
        ([copied, "--recalibrate", "--out", tmp_path / "t.json"], "omit --out"),
        ([copied, "--recalibrate", "--runtime", "eager"], "omit --runtime"),
        ([copied, "--recalibrate", "--data", "digits"], "--data and --weights: a run has its own"),
        ([copied, "--recalibrate", "--on", "pi4"], "this family is for one device"),
        ([searched.recipe, "--on", "pi4", "--out", tmp_path / "t.json"], "--on only applies when recalibrating"),
        (
            [searched.recipe, "--table", copied / "table.json", "--recalibrate"],
            "belongs to a search that can only resume with it",
        ),
        ([searched.recipe, "--table", tmp_path / "t.json", "--recalibrate"], "t.json"),
    ):
        answer = call("profile", *arguments)
        assert answer.status == 2 and message in answer.sentence, answer.err
    assert not list(tmp_path.glob("*.json"))


def test_a_table_of_another_machine_is_left_alone(copied: Path) -> None:
    family = load_family(copied)
    table = replace(family.table, runtime={**family.table.runtime, "cpu": "Some Other 3000"})
    save_family(replace(family, table=table), copied)
    before = (copied / "family.json").read_bytes()
    answer = call("profile", copied, "--recalibrate")
    assert answer.status == 2 and "is from Some Other 3000, and this machine is" in answer.sentence
    assert (copied / "family.json").read_bytes() == before


@pytest.mark.slow
def test_a_drift_that_is_measured(copied: Path) -> None:
    """Whatever the pace of this machine now is, the run's table has it afterwards."""
    found = done("profile", copied, "--recalibrate", "--json").json
    assert found["networks"] == 10 and found["pace"] > 0
    assert load_family(copied).table.runtime["recalibrated"]["ratio"] == pytest.approx(found["pace"])


@pytest.mark.slow
def test_evaluate_tells_on_how_many_examples(copied: Path) -> None:
    value = done("evaluate", copied, "--split", "test", "--count", 3, "--json").json
    assert value["examples"] == 500
