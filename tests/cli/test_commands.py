"""Every command, on a tiny search: what it prints and what it leaves."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from archdial.cost.measuring import isolation
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.table import CostTable
from archdial.families.storage import load_family, load_member
from archdial.report.numbers import report_numbers
from archdial.runs import cost_tables
from tests.cli.conftest import RECIPE, Searched, call, write_recipe

MEMBER_KEYS = {"dial", "architecture", "accuracy", "latency_ms", "parameters", "flops", "provenance"}


@pytest.mark.slow
def test_search(searched: Searched) -> None:
    value = searched.answer.json
    assert value["run"] == str(searched.folder)
    assert value["seed"] == 3
    assert value["dial"]["kind"] == "scalar"
    for member in value["members"]:
        assert set(member) >= MEMBER_KEYS
        assert 0 <= member["accuracy"] <= 1
        assert (member["provenance"]["accuracy"], member["provenance"]["accuracy_split"]) == ("measured", "validation")
    names = {path.name for path in searched.folder.iterdir()}
    assert names >= {
        "config.json",
        "table.json",
        "checkpoint.pt",
        "metrics.jsonl",
        "family.json",
        "weights.safetensors",
    }


def test_search_says_what_it_reads_on_standard_error(searched: Searched) -> None:
    assert "digits: 1,297 train, 500 test images 8×8 in 10 classes (0 " in searched.answer.err
    assert "1,297" not in searched.answer.out


def test_pick_at_a_position_and_within_budgets(searched: Searched, tmp_path: Path) -> None:
    at = call("pick", searched.folder, "--at", "0.1", "--json")
    assert at.status == 0, at.err
    assert set(at.json) >= MEMBER_KEYS
    assert at.json["dial"] == pytest.approx(0.1)
    limit = searched.answer.json["range"]["parameters"][0] + 50
    within = call("pick", searched.folder, "--params", limit, "--latency-ms", 1e6, "--out", tmp_path / "m", "--json")
    assert within.status == 0, within.err
    assert within.json["parameters"] <= limit
    module = load_member(tmp_path / "m")
    assert sum(p.numel() for p in module.parameters()) == within.json["parameters"]
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)


@pytest.mark.slow
def test_evaluate_then_report(copied: Path) -> None:
    early = call("report", copied)
    assert early.status == 2
    assert "archdial evaluate" in early.sentence
    answer = call("evaluate", copied, "--split", "test", "--count", 4, "--json")
    assert answer.status == 0, answer.err
    numbers = report_numbers(answer.json)
    assert len(numbers.members) == 4
    assert len(numbers.archive) == 6
    for member in numbers.members:
        assert member.provenance["accuracy_split"] == "test"
        assert not member.predicted("accuracy")
        assert not member.predicted("latency_ms")
    paths = call("report", copied, "--json").json
    assert Path(paths["page"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert Path(paths["picture"]).read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_tables_for_people(copied: Path) -> None:
    for command in (["pick", copied, "--at", 0.1], ["evaluate", copied, "--count", 2], ["report", copied], ["recipes"]):
        answer = call(*command)
        assert answer.status == 0, answer.err
        assert answer.out
        assert not answer.out.startswith("{")


@pytest.mark.parametrize(("option", "how"), [([], "finetuned"), (["--scratch"], "retrained")])
def test_finetune(searched: Searched, tmp_path: Path, option: list[str], how: str) -> None:
    folder = tmp_path / "m"
    answer = call("finetune", searched.folder, "--at", 0.1, "--epochs", 1, *option, "--out", folder, "--json")
    assert answer.status == 0, answer.err
    value = answer.json
    assert set(value) >= MEMBER_KEYS | {"before", "after", "epochs", "folder"}
    assert set(value["before"]) == set(value["after"]) == {"validation", "test"}
    assert value["provenance"]["weights"] == how
    load_member(folder)


@pytest.mark.slow
def test_a_profiled_table_serves_a_search(searched: Searched, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    answer = call("profile", searched.recipe, "--out", table, "--json")
    assert answer.status == 0, answer.err
    assert set(answer.json) == {"table", "space", "runtime", "doubt", "fit", "range"}
    assert "digits: 1,297 train, 500 test images" in answer.err
    assert answer.json["range"]["latency_ms"][0] < answer.json["range"]["latency_ms"][1]
    run = call("search", searched.recipe, "--out", tmp_path / "run", "--table", table, "--epochs", 1, "--json")
    assert run.status == 0, run.err
    assert run.json["range"] == answer.json["range"]
    # A table may be measured anew, anything else is not touched.
    table.write_text("{}", encoding="utf-8")
    assert "is not a cost table" in call("profile", searched.recipe, "--out", table).sentence
    assert table.read_text(encoding="utf-8") == "{}"


@pytest.mark.slow
def test_a_table_is_checked_against_whole_networks(searched: Searched, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    answer = call("profile", searched.recipe, "--out", table, "--check", "--json")
    assert answer.status == 0, answer.err
    check = answer.json["check"]
    assert check["networks"] == len(check["predicted_ms"]) == len(check["measured_ms"]) >= 10 and check["pace"] > 0
    assert set(check["fitted"]) == set(check["plain"]) == {"mean_error", "within", "kendall"}
    assert answer.json["fit"]["networks"] >= 10
    assert Path(check["picture"]).read_bytes().startswith(b"\x89PNG") and Path(check["picture"]).parent == tmp_path
    before = table.read_bytes()
    again = call("profile", searched.recipe, "--table", table, "--check")
    assert again.status == 0 and "sum of the parts" in again.out and table.read_bytes() == before


@pytest.mark.slow
def test_a_table_of_another_runtime_by_the_recipe(tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    options = ("--runtime", "onnxruntime", "--threads", 2, "--batch-size", 3)
    # Parts alone: whole networks of another runtime are measured in the tests of profiling.
    parts = write_recipe(tmp_path, RECIPE.replace("networks: 10", "networks: 0"))
    answer = call("profile", parts, "--out", table, *options, "--json")
    assert answer.status == 0, answer.err
    header = answer.json["runtime"]
    assert (header["runtime"], header["threads"], header["batch_size"]) == ("onnxruntime", 2, 3)
    assert header["layout"] == "channels_first"
    # What it is measured on is not what a search needs: the file may come from another machine.
    recipe = write_recipe(tmp_path, f"{RECIPE}table: {table}\n")
    run = call("search", recipe, "--out", tmp_path / "run", "--epochs", 1, "--json")
    assert run.status == 0, run.err
    assert run.json["range"] == answer.json["range"]
    assert load_family(tmp_path / "run").table == CostTable.load(table)


def test_a_noisy_machine_is_told_in_a_sentence(
    searched: Searched, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = Timing(1.0, 0.25)
    monkeypatch.setattr(isolation, "timings", lambda runtime, subjects, count, **_: [noisy] * count)
    answer = call("profile", searched.recipe, "--out", tmp_path / "table.json", "--json")
    assert answer.status == 0
    (line,) = [line for line in answer.err.splitlines() if "warning" in line]
    assert line.startswith("warning: ") and "latencies still spread by more than 10%" in line
    assert len(answer.json["runtime"]["noisy"]) > 3
    again = call("evaluate", copied, "--count", 2)
    assert again.status == 0 and "(member 0, member 1, " in again.err


def test_recipes() -> None:
    value = call("recipes", "--json").json
    assert {"digits", "fashion_mnist_3ops"} <= {row["name"] for row in value}
    assert all(row["about"] for row in value)


@pytest.mark.slow
def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Twice a search: without whole networks, which each search of the other tests measures.
    recipe = write_recipe(tmp_path, RECIPE.replace("networks: 10", "networks: 0"))
    monkeypatch.setattr("archdial.cli.demo.RECIPE", str(recipe))
    folder = tmp_path / "demo"
    answer = call("demo", "--out", folder, "--json")
    assert answer.status == 0, answer.err
    value = answer.json
    assert value["member"]["equal_outputs"] is True
    assert all(Path(value[name]).is_file() for name in ("page", "picture", "members_file"))
    kept = folder / "notes.txt"
    kept.write_text("mine", encoding="utf-8")
    seconds = (folder / "family.json").stat().st_mtime_ns
    assert call("demo", "--out", folder, "--json").status == 0
    assert (folder / "family.json").stat().st_mtime_ns > seconds
    assert kept.exists()


def test_demo_leaves_other_runs_alone(copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.iterdir()}
    answer = call("demo", "--out", copied)
    assert answer.status == 2
    assert "already contains a run" in answer.sentence
    assert {path: path.read_bytes() for path in copied.iterdir()} == before


@pytest.mark.slow
def test_help_and_version_do_not_wait_for_torch() -> None:
    code = (
        "import sys; from archdial.cli import app; from typer.testing import CliRunner\n"
        "names = ['search', 'profile', 'pick', 'evaluate', 'finetune', 'export', 'report', 'recipes', 'demo']\n"
        "for words in [[], *([n] for n in names)]:\n"
        "    answer = CliRunner().invoke(app, [*words, '--help'])\n"
        "    assert answer.exit_code == 0 and 'Example: archdial' in answer.stdout, words\n"
        "assert 'archdial' in CliRunner().invoke(app, ['--version']).stdout\n"
        "assert CliRunner().invoke(app, ['recipes']).exit_code == 0\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.slow
def test_a_simplex_dial_is_picked_by_its_vector(searched: Searched, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        RECIPE.replace("  method: two_stage\n  dial_epochs: 1\n", "  rounds: 2\n  dial_steps: 40\n")
        + "dial: {kind: operation_simplex}\n",
    )
    table = searched.folder / "table.json"
    assert call("search", recipe, "--table", table, "--out", tmp_path / "run", "--epochs", 1).status == 0
    answer = call("pick", tmp_path / "run", "--at", "0.2,0.3,0.5", "--json")
    assert answer.json["dial"] == pytest.approx([0.2, 0.3, 0.5])
    for text, part in (("0.2,0.3,0.6", "outside the simplex"), ("0.5,0.5", "expected 3 numbers"), ("a,b", "--at a,b")):
        wrong = call("pick", tmp_path / "run", "--at", text)
        assert wrong.status == 2
        assert part in wrong.sentence


def test_what_was_predicted_is_told(searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"parts": 64, "measured": 16, "held_out": 12, "held_out_mean_error": 0.031, "within_10": 0.95}
    table = CostTable.load(searched.folder / "table.json")
    first, *others = table.parts
    parts = {first: replace(table.parts[first], predicted=True)} | {key: table.parts[key] for key in others}
    told_of = replace(table, parts=parts, runtime={**table.runtime, "interpolated": told})
    monkeypatch.setattr(cost_tables, "cost_table", lambda *_: told_of)
    words = ("profile", searched.recipe, "--out", tmp_path / "table.json")
    assert call(*words, "--json").json["interpolated"] == told
    sentence = f"1 of {len(parts)} parts are predicted from others that differ only in size: on 12 held-out"
    assert f"{sentence} parts the mean error is 3.1%, and 95% are within ±10 %\n" in call(*words).out
    assert CostTable.load(tmp_path / "table.json") == told_of
