"""What was damaged, changed or mixed since it was written is refused, or makes no difference."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from archdial.common.digests import digest_of
from archdial.common.documents import sealed
from archdial.common.errors import UsageError
from archdial.families.storage import load_family
from archdial.runs.folder import read_run
from archdial.training.checkpoint import read_checkpoint
from tests.cli.conftest import RECIPE, Searched, call, write_recipe
from tests.cli.test_code_in_files import CODE, made, recipe_with
from tests.cli.test_failed_runs import interrupt_at

pytestmark = pytest.mark.slow

PLACES = 60
"""Bits flipped in each file here; by hand many more, see benchmarks/kills.py."""


def flipped(content: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(8 * len(content))
    changed = bytearray(content)
    changed[place // 8] ^= 1 << place % 8
    return bytes(changed)


def edit(path: Path, change: Callable[[dict[str, Any]], object], *, seal: bool) -> None:
    value = json.loads(path.read_text())
    old = value.pop("sha256", None)
    change(value)
    path.write_text(json.dumps(sealed(value) if seal else value | ({"sha256": old} if old else {})))


@pytest.fixture
def stopped(searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The run of `searched`, stopped on its way."""
    folder = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(4, patch)
        words = ["search", searched.recipe, "--out", folder, "--seed", "3", "--table", searched.folder / "table.json"]
        assert call(*words).status == 130
    return folder


def resumed(searched: Searched, folder: Path) -> Any:
    return call("search", searched.recipe, "--out", folder, "--seed", "3", "--resume", "--json")


def test_a_bit_of_a_checkpoint_is_no_other_family(searched: Searched, stopped: Path) -> None:
    path, dice = stopped / "checkpoint.pt", random.Random(0)
    content = path.read_bytes()
    refused = 0
    for _ in range(PLACES):
        path.write_bytes(flipped(content, dice))
        try:
            again = read_checkpoint(path)
        except UsageError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert digest_of(again) == digest_of(read_plain(content, path))
    assert refused > PLACES / 2
    path.write_bytes(content)
    assert resumed(searched, stopped).status == 0
    assert load_family(stopped).archive == load_family(searched.folder).archive


def read_plain(content: bytes, path: Path) -> dict[str, Any]:
    path.write_bytes(content)
    return read_checkpoint(path)


def renewed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = torch.load(path, weights_only=True)
    value.pop("sha256")
    change(value)
    torch.save({**value, "sha256": digest_of(value)}, path)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.update(place=[9, 9, 9]),
        lambda value: value.update(place=[0, 7, 0]),
        lambda value: value.update(place=["0", 0, 0]),
        lambda value: value.update(place=[0, 0]),
        lambda value: value.pop("network"),
        lambda value: value.pop("pending"),
        lambda value: value["network"].popitem(),
        lambda value: value.update(hypernet={}),
        lambda value: value.update(generator=torch.zeros(3, dtype=torch.uint8)),
        lambda value: value.update(archive=[[[0, 99], 0.5, 1.0]]),
        lambda value: value.update(dial={"kind": "scaler"}),
        lambda value: next(iter(value["weights_optimizer"]["state"].values())).update(momentum_buffer=torch.ones(3)),
    ],
)
def test_checkpoints_that_cannot_be(searched: Searched, stopped: Path, change: Callable[[Any], object]) -> None:
    renewed(stopped / "checkpoint.pt", change)
    answer = resumed(searched, stopped)
    assert answer.status == 2
    assert "checkpoint" in answer.sentence
    assert not (stopped / "family.json").exists()


def test_an_older_checkpoint_is_still_read(searched: Searched, stopped: Path) -> None:
    path = stopped / "checkpoint.pt"
    value = torch.load(path, weights_only=True)
    value.pop("sha256")
    # As it was written before images and first weights were part of it.
    value["fingerprint"] = value["fingerprint"].split(":")[1]
    torch.save(value, path)
    edit(stopped / "config.json", lambda value: value.pop("table_sha256"), seal=False)
    value = json.loads((stopped / "config.json").read_text())
    value.pop("sha256")
    (stopped / "config.json").write_text(json.dumps(value))
    assert resumed(searched, stopped).status == 0
    assert load_family(stopped).archive == load_family(searched.folder).archive


@pytest.mark.parametrize("file", ["config.json", "table.json"])
def test_a_bit_of_a_run_that_goes_on(searched: Searched, stopped: Path, file: str) -> None:
    path, dice = stopped / file, random.Random(1)
    content, before = path.read_bytes(), read_run(stopped)
    for _ in range(PLACES):
        path.write_bytes(flipped(content, dice))
        try:
            run = read_run(stopped)
            table = json.loads(path.read_bytes()) if file == "table.json" else None
        except (UsageError, ValueError):
            continue
        assert run == before
        assert table is None or table == json.loads(content) or refuses(searched, stopped)


def refuses(searched: Searched, folder: Path) -> bool:
    answer = resumed(searched, folder)
    return answer.status == 2 and bool(answer.sentence)


@pytest.mark.parametrize("name", ["family.json", "weights.safetensors"])
def test_a_bit_of_a_family(copied: Path, name: str) -> None:
    path, dice = copied / name, random.Random(2)
    content, whole = path.read_bytes(), json.loads((copied / "family.json").read_text())
    for _ in range(PLACES):
        path.write_bytes(flipped(content, dice))
        try:
            load_family(copied)
        except UsageError:
            continue
        assert name == "family.json" and json.loads(path.read_text()) == whole


def test_an_edited_seed_draws_no_images_that_were_trained_on(copied: Path) -> None:
    for seal, part in ((False, "config.json was edited or damaged"), (True, "was searched with seed = 3, not 4")):
        edit(copied / "config.json", lambda value: value.update(seed=4), seal=seal)
        answer = call("evaluate", copied)
        assert answer.status == 2
        assert part in answer.sentence
        assert not (copied / "members.json").exists()


def test_edited_members_are_not_reported(copied: Path) -> None:
    assert call("evaluate", copied, "--count", "2").status == 0
    edit(copied / "members.json", lambda value: value["members"][0].update(accuracy=0.999), seal=False)
    answer = call("report", copied)
    assert answer.status == 2
    assert "members.json was edited or damaged after it was written: run `archdial evaluate` again" in answer.sentence
    assert not (copied / "report.html").exists()


def images(folder: Path, seed: int = 0) -> Path:
    """Forty images of four shades, in two classes."""
    dice = numpy.random.default_rng(seed)
    for number in range(40):
        place = folder / ("dark" if number % 2 else "light")
        place.mkdir(parents=True, exist_ok=True)
        pixels = dice.integers(0, 128, (8, 8), dtype=numpy.uint8) + (0 if number % 2 else 127)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    return folder


OWN = (
    RECIPE.replace("data: digits", "data: PLACE").replace("limit: 120\n", "").replace("batch_size: 30", "batch_size: 8")
)


@pytest.mark.parametrize("what", ["pixels", "labels"])
def test_data_replaced_between_kill_and_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    data, folder = images(tmp_path / "data"), tmp_path / "run"
    recipe = write_recipe(tmp_path, OWN.replace("PLACE", str(data)))
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        assert call("search", recipe, "--out", folder).status == 130
    if what == "pixels":
        images(data, seed=1)
    else:
        (data / "dark").rename(data / "x")
        (data / "light").rename(data / "dark")
        (data / "x").rename(data / "light")
    answer = call("search", recipe, "--out", folder, "--resume")
    assert answer.status == 2
    assert "was started with other images, labels or trained weights" in answer.sentence


def test_data_replaced_after_the_search_judge_nothing(tmp_path: Path) -> None:
    data, folder = images(tmp_path / "data"), tmp_path / "run"
    recipe = write_recipe(tmp_path, OWN.replace("PLACE", str(data)))
    assert call("search", recipe, "--out", folder).status == 0
    images(data, seed=1)
    answer = call("evaluate", folder)
    assert answer.status == 2
    assert "are not those of the search" in answer.sentence
    # What was never trained on may be other images.
    assert call("evaluate", folder, "--split", "test", "--count", "2").status == 0


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The words of a search on a network with weights in a file."""
    (tmp_path / "own_model.py").write_text(CODE, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    save_file(made().state_dict(), tmp_path / "backbone.safetensors")
    recipe = recipe_with("own_model:make", tmp_path)
    weights = tmp_path / "backbone.safetensors"
    return ["search", recipe, "--trust", "--weights", weights, "--out", tmp_path / "run"]


def changed_weight(path: Path, value: float) -> None:
    tensors = load_file(path)
    tensors["0.weight"][0] = value
    save_file(tensors, path)


def test_weights_replaced_between_kill_and_resume(
    trained: list[object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        assert call(*trained).status == 130
    changed_weight(tmp_path / "backbone.safetensors", 0.5)
    answer = call(*trained, "--resume")
    assert answer.status == 2
    assert "was started with other images, labels or trained weights" in answer.sentence


def test_weights_that_are_no_numbers_are_told_before_a_frozen_search(trained: list[object], tmp_path: Path) -> None:
    changed_weight(tmp_path / "backbone.safetensors", torch.nan)
    answer = call(*trained)
    assert answer.status == 2
    assert "0.weight contains NaN or infinity" in answer.sentence and "learning_rate" not in answer.sentence
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda value: [entry.update(latency_ms=1000 * entry["latency_ms"]) for entry in entries(value)], "its parts"),
        (lambda value: value["fit"].update(constant_ms=1000.0), "its fit misses its own networks"),
        (lambda value: value["networks"][0].update(latency_ms=1e6), "its fit misses its own networks"),
        (lambda value: entries(value)[0].update(latency_ms=1.7e308), "latency_ms"),
    ],
)
def test_a_table_that_contradicts_itself(
    searched: Searched, tmp_path: Path, change: Callable[[Any], object], part: str
) -> None:
    path = tmp_path / "table.json"
    value = json.loads((searched.folder / "table.json").read_text())
    assert value["fit"] is not None
    # Of a table that was made beside other work nothing could be expected.
    value["fit"]["held_out"]["mean_error"] = 0.05
    value["fit"].pop("residuals")
    change(value)
    path.write_text(json.dumps(value))
    answer = call("search", searched.recipe, "--out", tmp_path / "run", "--table", path)
    assert answer.status == 2
    assert part in answer.sentence
    assert not (tmp_path / "run").exists()


def entries(value: dict[str, Any]) -> list[dict[str, Any]]:
    return [entry for term in value["terms"] for entry in term["entries"] if entry["latency_ms"] > 0]
