"""Several devices from the command line: search for them, add one, pick for one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from archdial.common.documents import sealed
from tests.cli.conftest import Searched, call, done


@pytest.fixture(scope="module")
def tables(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The run's own table, and one of a device that takes three times as long over convolutions."""
    place = tmp_path_factory.mktemp("tables")
    value = json.loads((searched.folder / "table.json").read_text())
    # Parts and networks are those of this machine: what is left are plain sums.
    plain = {**value, "parts": {}, "networks": []} | {"fit": None}
    for term in plain["terms"]:
        for entry in term["entries"]:
            entry["parts"] = []
    slow = json.loads(json.dumps(plain))
    for term in slow["terms"]:
        for entry in term["entries"]:
            entry["latency_ms"] *= 3 if "conv" in "".join(entry["options"]) else 1
    for name, table in (("laptop", plain), ("board", slow)):
        (place / f"{name}.json").write_text(json.dumps(table))
    return {name: place / f"{name}.json" for name in ("laptop", "board")}


@pytest.fixture(scope="module")
def run(searched: Searched, tables: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several") / "run"
    given = [part for name, file in tables.items() for part in ("--table", f"{name}={file}")]
    answer = call("search", searched.recipe, "--out", folder, *given, "--json")
    assert answer.status == 0, answer.err
    assert (answer.json["device"], answer.json["devices"]) == ("laptop", ["laptop", "board"])
    return folder


@pytest.mark.slow
def test_members_are_picked_for_a_device(run: Path) -> None:
    laptop, board = (call("pick", run, "--params", 10**9, *on, "--json") for on in ((), ("--on", "board")))
    assert (laptop.json["device"], board.json["device"]) == ("laptop", "board")
    wrong = call("pick", run, "--params", 10**9, "--on", "toaster")
    assert wrong.status == 2 and "unknown device 'toaster'" in wrong.sentence and "board" in wrong.sentence


@pytest.mark.slow
def test_a_run_is_evaluated_for_a_device(run: Path) -> None:
    answer = call("evaluate", run, "--count", 3, "--on", "board", "--json")
    assert answer.status == 0 and answer.json["on"] == "board"
    assert {member["device"] for member in answer.json["members"]} == {"board"}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", [{"published_areas": {"a": "x"}}, {"published_areas": []}, {"published": [3]}])
def test_nothing_is_added_to_a_family_that_cannot_be_shown(
    copied: Path, tables: dict[str, Path], wrong: dict[str, Any]
) -> None:
    value = json.loads((copied / "family.json").read_text())
    del value["sha256"]
    value["info"]["config"].update(wrong)
    (copied / "family.json").write_text(json.dumps(sealed(value)))
    before = {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()}
    answer = call("add-device", copied, "board", tables["board"])
    assert answer.status == 2 and next(iter(wrong)) in answer.sentence
    assert {path.name: path.read_bytes() for path in copied.iterdir() if path.is_file()} == before


@pytest.mark.slow
def test_a_device_is_added_to_a_run(copied: Path, tables: dict[str, Path]) -> None:
    before = (copied / "weights.safetensors").stat().st_size
    answer = call("add-device", copied, "board", tables["board"], "--json")
    assert answer.status == 0, answer.err
    assert (answer.json["device"], answer.json["devices"]) == ("board", ["first", "board"])
    assert call("pick", copied, "--params", 10**9, "--on", "board", "--json").json["device"] == "board"
    assert call("pick", copied, "--params", 10**9, "--json").json["device"] == "first"
    assert (copied / "weights.safetensors").stat().st_size >= before
    # A name that is taken changes nothing.
    kept = (copied / "family.json").read_bytes()
    again = call("add-device", copied, "board", tables["board"])
    assert again.status == 2 and "already" in again.sentence and (copied / "family.json").read_bytes() == kept


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["a.json", "b.json"], "each needs a plain name"),
        (["x=a.json", "x=b.json"], "two tables for the device 'x'"),
        (["=a.json"], "each needs a plain name"),
        (["x=nowhere.json"], "nowhere.json"),
    ],
)
def test_tables_that_cannot_be_told_apart(searched: Searched, tmp_path: Path, given: list[str], sentence: str) -> None:
    options = [part for text in given for part in ("--table", text)]
    answer = call("search", searched.recipe, "--out", tmp_path / "run", *options)
    assert answer.status == 2 and sentence in answer.sentence and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_recipe_names_tables(searched: Searched, tables: dict[str, Path], tmp_path: Path) -> None:
    lines = "\n".join(f"  {name}: {file}" for name, file in tables.items())
    recipe = tmp_path / "several.yaml"
    recipe.write_text(f"{Path(searched.recipe).read_text()}\ntables:\n{lines}\n")
    answer = call("search", recipe, "--out", tmp_path / "run", "--json")
    assert answer.status == 0, answer.err
    assert answer.json["devices"] == ["laptop", "board"]
    recipe.write_text(f"{recipe.read_text()}table: one.json\n")
    assert "table and tables" in call("search", recipe, "--out", tmp_path / "other").sentence


def test_a_table_in_the_folder_is_not_lost(searched: Searched, tables: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "table.json").write_bytes(tables["laptop"].read_bytes())
    without = call("search", searched.recipe, "--out", folder)
    assert without.status == 2 and "contains a cost table" in without.sentence
    other = call("search", searched.recipe, "--out", folder, "--table", tables["board"])
    assert other.status == 2 and "is not the cost table of this search" in other.sentence
    assert (folder / "table.json").read_bytes() == tables["laptop"].read_bytes()


@pytest.mark.slow
def test_an_equals_sign_in_a_path_names_no_device(searched: Searched, tables: dict[str, Path], tmp_path: Path) -> None:
    file = tmp_path / "lr=0.1.json"
    file.write_bytes(tables["laptop"].read_bytes())
    answer = call("search", searched.recipe, "--out", tmp_path / "run", "--table", file, "--epochs", 1, "--json")
    assert answer.status == 0 and answer.json["device"] is None, answer.err


@pytest.mark.parametrize("spoiled", [{"laptop": []}, {"": {}}, {}])
def test_spoiled_tables_are_told(searched: Searched, tmp_path: Path, spoiled: dict[str, object]) -> None:
    file = tmp_path / "tables.json"
    file.write_text(json.dumps({"format": "archdial.tables", "version": 1, "tables": spoiled}))
    answer = call("search", searched.recipe, "--out", tmp_path / "run", "--table", file)
    assert answer.status == 2 and len(answer.sentence) > 20


@pytest.mark.slow
def test_one_device_is_refined_over_and_all_go_by_it(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    found = done("refine", copy, "--on", "board", "--members", 3, "--epochs", 1, "--workers", 1, "--json").json
    assert {row["device"] for row in found["trained"]} == {"board"}
    laptop, board = (done("pick", copy, "--params", 10**9, *on, "--json").json for on in ((), ("--on", "board")))
    assert (laptop["device"], board["device"]) == ("laptop", "board")
    assert laptop["after_training"]["accuracy"] == board["after_training"]["accuracy"]
