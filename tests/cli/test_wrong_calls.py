"""Wrong calls: exit status 2, one sentence, nothing written."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import RECIPE, Searched, call, write_recipe


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (RECIPE.replace("epochs: 2", "epohcs: 2"), ("search.epohcs", "did you mean 'epochs'")),
        (RECIPE.replace("{cells", "{operations: [identity, sep_con], cells"), ("sep_con", "sep_conv_3x3")),
        (RECIPE.replace("data: digits", "data: ./nowhere"), ("no folder './nowhere'", "pass an existing folder")),
        (RECIPE.replace("weights: 0.5", "weights: 500"), ("weights 500 of 120", "expected")),
        (RECIPE + "oops: [", ("tiny.yaml", "line")),
    ],
)
def test_a_wrong_recipe(tmp_path: Path, text: str, parts: tuple[str, ...]) -> None:
    answer = call("search", write_recipe(tmp_path, text), "--out", tmp_path / "run")
    assert answer.status == 2
    for part in parts:
        assert part in answer.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--data", "/nowhere/at/all"], "no folder '/nowhere/at/all'"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--device", "cuda:99"], "is not on this machine"),
        (["--table", "/nowhere.json"], "no cost table at /nowhere.json"),
        (["--resume"], "no run to resume"),
    ],
)
def test_wrong_options(searched: Searched, tmp_path: Path, options: list[str], part: str) -> None:
    answer = call("search", searched.recipe, "--out", tmp_path / "run", *options)
    assert answer.status == 2
    assert part in answer.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--runtime", "onnx"], "unknown runtime 'onnx': did you mean 'onnxruntime'?"),
        (["--runtime", "openvino", "--device", "cuda:99"], "is not on this machine"),
        (["--device", "gpu"], "unknown device 'gpu'"),
        (["--runtime", "openvino"], 'pip install "archdial[openvino]"'),
    ],
)
def test_wrong_options_of_profile(
    searched: Searched, tmp_path: Path, options: list[str], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    answer = call("profile", searched.recipe, "--out", tmp_path / "table.json", *options)
    assert answer.status == 2
    assert part in answer.sentence
    assert not (tmp_path / "table.json").exists()


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ([], "pass --out for a new table"),
        (["--out", "new.json", "--table", "old.json", "--check"], "or --table to check an existing one"),
        (["--table", "old.json"], "add --check"),
        (["--table", "old.json", "--check"], "old.json"),
        (
            ["--table", "old.json", "--check", "--threads", "2"],
            "--threads only applies to a new table; --table has its own",
        ),
        (["--out", "new.json", "--pte"], "--pte only applies to --bundle"),
    ],
)
def test_a_table_is_made_or_checked(searched: Searched, options: list[str], part: str) -> None:
    answer = call("profile", searched.recipe, *options)
    assert answer.status == 2 and part in answer.sentence


def test_a_table_that_the_recipe_names_and_nobody_has(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, RECIPE + "table: pi4.json\n")
    answer = call("search", recipe, "--out", tmp_path / "run")
    assert answer.status == 2
    assert "no cost table at " in answer.sentence and "pi4.json: pass an existing file" in answer.sentence
    assert not (tmp_path / "run").exists()


def test_an_unknown_recipe(tmp_path: Path) -> None:
    answer = call("search", "fashion_mnist_3op", "--out", tmp_path / "run")
    assert answer.status == 2
    assert "did you mean 'fashion_mnist_3ops" in answer.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "words", [["search"], ["serch"], ["search", "digits", "--epochs", "0"], ["search", "digits", "--sed", "1"]]
)
def test_what_typer_refuses(words: list[str]) -> None:
    answer = call(*words)
    assert answer.status == 2
    assert "Usage: archdial" in answer.err
    assert answer.out == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--at", "0"], "expected a positive number"),
        (["--at", "-1"], "expected a positive number"),
        (["--at", "0.5,0.5"], "expected one number"),
        (["--at", "nan"], "expected a positive number"),
        (["--at", "fast"], "--at fast: expected a number"),
        (["--latency-ms", "1e-9"], "this family covers"),
        (["--params", "1"], "this family covers"),
        (["--flops", "nan"], "this family covers"),
        ([], "pick one member"),
        (["--at", "1", "--params", "1000"], "pick one member"),
    ],
)
def test_a_pick_that_cannot_be(searched: Searched, tmp_path: Path, options: list[str], part: str) -> None:
    answer = call("pick", searched.folder, *options, "--out", tmp_path / "member")
    assert answer.status == 2
    assert part in answer.sentence
    assert not (tmp_path / "member").exists()


def test_a_member_is_not_saved_over_anything(copied: Path) -> None:
    before = (copied / "weights.safetensors").read_bytes()
    answer = call("pick", copied, "--at", 1, "--out", copied)
    assert answer.status == 2
    assert "is not empty" in answer.sentence
    assert (copied / "weights.safetensors").read_bytes() == before


def test_an_output_folder_that_holds_a_run(searched: Searched, copied: Path) -> None:
    before = {path: path.read_bytes() for path in copied.iterdir()}
    answer = call("search", searched.recipe, "--out", copied)
    assert answer.status == 2
    assert "already contains a run" in answer.sentence
    assert {path: path.read_bytes() for path in copied.iterdir()} == before
    (copied / "file").write_text("", encoding="utf-8")
    assert "is a file" in call("search", searched.recipe, "--out", copied / "file" / "run").sentence


def test_a_family_that_is_cut_off_or_edited(copied: Path) -> None:
    family = copied / "family.json"
    text = family.read_text(encoding="utf-8")
    family.write_text(text[: len(text) // 2], encoding="utf-8")
    assert "is damaged" in _refused("pick", copied, "--at", 1)
    value = json.loads(text)
    value["archive"][0][1] = 0.999
    family.write_text(json.dumps(value), encoding="utf-8")
    assert "was edited or damaged" in _refused("evaluate", copied)
    family.write_text(text, encoding="utf-8")
    weights = copied / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "restore a copy" in _refused("pick", copied, "--at", 1)
    family.unlink()
    assert "is not finished" in _refused("pick", copied, "--at", 1)
    assert "no run at" in _refused("pick", copied / "none", "--at", 1)
    assert not (copied / "members.json").exists()


def test_a_table_that_is_cut_off_or_of_another_space(searched: Searched, tmp_path: Path) -> None:
    table = tmp_path / "table.json"
    text = (searched.folder / "table.json").read_text(encoding="utf-8")
    table.write_text(text[:200], encoding="utf-8")
    assert "is damaged" in _refused("search", searched.recipe, "--out", tmp_path / "run", "--table", table)
    table.write_text(text, encoding="utf-8")
    other = write_recipe(tmp_path, RECIPE.replace("nodes: 1", "nodes: 2"))
    assert "made for another space" in _refused("search", other, "--out", tmp_path / "run", "--table", table)
    assert not (tmp_path / "run").exists()


def test_data_that_do_not_fit_the_run(copied: Path, tmp_path: Path) -> None:
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(3):
            Image.new("L", (8, 8), 40 * number).save(tmp_path / "images" / name / f"{number}.png")
    assert "pass the data of the search" in _refused("evaluate", copied, "--data", tmp_path / "images")


def test_a_damaged_configuration(copied: Path) -> None:
    config = copied / "config.json"
    value = json.loads(config.read_text(encoding="utf-8"))
    del value["seed"]
    config.write_text(json.dumps(value), encoding="utf-8")
    assert "config.json was edited or damaged" in _refused("evaluate", copied)
    shutil.copyfile(copied / "table.json", config)
    assert "is not a configuration" in _refused("evaluate", copied)


def _refused(*arguments: object) -> str:
    answer = call(*arguments)
    assert answer.status == 2, answer.err
    return answer.sentence
