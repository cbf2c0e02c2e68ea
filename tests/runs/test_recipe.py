"""Recipes: those that ship, and every mistake as one sentence that helps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast, get_args

import pytest
from PIL import Image

from archdial.common.errors import Notice, UsageError
from archdial.common.limits import Precision
from archdial.networks.cells.network import CellSettings
from archdial.runs.folder import Run
from archdial.runs.images import load_data
from archdial.runs.recipe import load_recipe, read_recipe, recipe_from_json, recipe_names
from archdial.searching.state import task_of
from archdial.tasks.images import ImageClassification

LEAST = "data: digits\nchannels: 1\n"


def test_every_recipe_that_ships_is_right_and_says_what_it_is() -> None:
    names = recipe_names()
    assert {"digits", "fashion_mnist_3ops", "fashion_mnist_5ops", "cifar10_3ops"} <= set(names)
    for name in names:
        recipe = load_recipe(name)
        assert recipe.name == name
        assert recipe.about


def test_a_recipe_survives_json() -> None:
    for name in recipe_names():
        recipe = load_recipe(name)
        assert recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_the_least_recipe_takes_its_name_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(LEAST, encoding="utf-8")
    recipe = load_recipe(str(path))
    assert (recipe.name, recipe.search.epochs, recipe.dial) == ("mine", 20, {"kind": "scalar"})


def test_values_as_yaml_users_write_them() -> None:
    search = "search: {method: two_stage, hypernet_rate: 3e-3, weight_decay: 1E-4, clip: 5}"
    text = LEAST + f"weights: 0.25\n{search}\ntrain: {{epochs: 8}}\n"
    recipe = read_recipe(text, "mine")
    assert (recipe.search.hypernet_rate, recipe.search.weight_decay, recipe.search.clip) == (3e-3, 1e-4, 5.0)
    assert recipe.training(scratch=True).epochs == 8
    assert recipe.training(scratch=False).epochs == 2
    assert recipe.training(scratch=False).learning_rate < recipe.training(scratch=True).learning_rate


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ("serch: {}", ("serch: unknown key", "did you mean 'search'")),
        ("search: {epohcs: 3}", ("search.epohcs: unknown key", "did you mean 'epochs'")),
        ("search: {temperature: {strat: 1.0}}", ("search.temperature.strat", "did you mean 'start'")),
        ("train: {epoch: 1}", ("train.epoch: unknown key", "did you mean 'epochs'")),
        ("network: {in_channels: 1}", ("network.in_channels: unknown key", "known: kind, cells")),
        ("search: {epochs: many}", ('search.epochs is "many"', "expected a whole number")),
        ("search: {epochs: '3'}", ('search.epochs is "3"', "expected a whole number")),
        ("search: {epochs: 2.5}", ("search.epochs is 2.5", "expected a whole number")),
        ("search: {clip: true}", ("search.clip is true", "expected a number")),
        ("search: {epochs: 0}", ("search.epochs is 0", "at least 1")),
        ("search: [1]", ("search is [1]", "expected a section")),
        ("search: {method: two_stages}", ("search.method 'two_stages'", "did you mean 'two_stage'")),
        ("search: {paths: shared}", ("search.paths", "did you mean 'shares'")),
        ("search: {temperature: {start: -1.0}}", ("search.temperature.start is -1", "above 0")),
        ("search: {cost: latency}", ("cost column 'latency'", "did you mean 'latency_ms'")),
        ("search: {precision: half}", ("unknown search.precision 'half'", "32-true")),
        ("search: {hypernet: {kind: mpl}}", ("search.hypernet", "did you mean 'mlp'")),
        ("search: {hypernet: {kind: mlp, hiden: [8]}}", ("search.hypernet", "did you mean 'hidden'")),
        ("weights: most", ('weights is "most"', "expected a whole number or a number")),
        ("image_size: big", ('image_size is "big"', "expected a whole number or a list")),
        ("image_size: 0", ("image_size is 0", "at least 1")),
        ("image_size: [32]", ("image_size is [32]", "a list of length at least 2")),
        ("image_size: [32, 32, 3]", ("image_size is [32, 32, 3]", "a list of length at most 2")),
        ("image_size: 50000", ("image_size 50000", "16,777,216 pixels")),
        ("skip_broken: maybe", ('skip_broken is "maybe"', "true or false")),
        ("normalize: imagnet", ("unknown normalize 'imagnet'", "did you mean 'imagenet'")),
        ("normalize: imagenet", ("normalize: ", "imagenet has 3 channels", "the images have 1")),
        ("normalize: 3", ("normalize is 3", "expected")),
        ("normalize: {mean: [0.5]}", ("the key normalize.std is missing",)),
        ("normalize: {mean: [0.5], sdt: [0.5]}", ("normalize.sdt: unknown key", "did you mean 'std'")),
        ("normalize: {mean: [123.7], std: [0.5]}", ("normalize.mean[0] is 123.7", "at most 1")),
        ("normalize: {mean: 0.5, std: [0.5]}", ("normalize.mean is 0.5", "a list")),
        ("normalize: {mean: [0.5], std: [0]}", ("normalize.std[0] is 0", "above 0")),
        ("normalize: {mean: [0.5], std: [58.4]}", ("normalize.std[0] is 58.4", "at most 1")),
        ("normalize: {mean: [0.5, 0.5], std: [0.5, 0.5]}", ("normalize has mean [0.5, 0.5]", "give 1 of each")),
        ("normalize: {mean: [0.5], std: [0.5, 0.5]}", ("normalize: mean (0.5,) and std (0.5, 0.5)",)),
        ("limit: all", ('limit is "all"', "expected a whole number")),
        ("network: {operations: [identity, sep_conv_3x4]}", ("sep_conv_3x4", "did you mean 'sep_conv_3x3'")),
        ("network: {operations: [identity, 3]}", ("network.operations[1] is 3", "expected a string")),
        ("network: {kind: cell}", ("network.kind 'cell'", "did you mean 'cells'")),
        ("network: {cells: 0}", ("network.cells is 0", "at least 1")),
        ("dial: {kind: scaler}", ("unknown dial 'scaler'", "did you mean 'scalar'")),
        ("dial: {kind: scalar, hihg: 3}", ("setting of the dial scalar 'hihg'", "did you mean 'high'")),
        ("dial: {kind: scalar, low: small}", ('dial.low is "small"', "expected a number")),
        ("dial: {kind: scalar, low: 0}", ("dial.low is 0", "above 0")),
        ("profile: {runtime: eagre}", ("eagre", "did you mean 'eager'")),
        ("profile: {threads: 0}", ("profile.threads is 0", "at least 1")),
        ("name: a/b", ('name is "a/b"', "a plain name")),
        ("about: [oops", ("line 4", "correct the YAML there")),
        ("limit: 3\nlimit: 4", ("line 4", "'limit' appears twice")),
    ],
)
def test_mistakes(more: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        read_recipe(LEAST + more + "\n", "mine.yaml")
    text = str(caught.value)
    assert text.startswith("recipe mine.yaml: ")
    assert "\n" not in text
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("channels: 1\n", "the key data is missing"),
        ("data: digits\nchannels: 2\n", "channels is 2: expected 1 or 3"),
        ("", "expected keys and values"),
        ("- digits\n", "expected keys and values"),
    ],
)
def test_a_recipe_that_lacks_something(text: str, part: str) -> None:
    with pytest.raises(UsageError, match=part):
        read_recipe(text, "mine.yaml")


def test_what_a_recipe_says_of_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for number in range(1, 6):
            Image.new("RGB", (4 * number, 12), (10 * number,) * 3).save(tmp_path / name / f"{number}.png")
    (tmp_path / "a" / "x.png").write_bytes(b"no image")
    keys = "image_size: [6, 8]\nskip_broken: true\nnormalize: {mean: [0.1, 0.2, 0.3], std: [0.5, 0.25, 1]}\n"
    recipe = read_recipe(f"data: {tmp_path}\nchannels: 3\n{keys}", "mine")
    with pytest.warns(Notice, match="1 of 11 images"):
        whole, seen = load_data(Run(tmp_path / "run", recipe))
    assert whole.input_shape == (3, 6, 8) and len(whole.train) == 8
    assert (seen.mean, seen.std) == ((0.1, 0.2, 0.3), (0.5, 0.25, 1.0))
    normalize = cast(ImageClassification, task_of(seen)).normalize
    assert (normalize.mean, normalize.std) == (seen.mean, seen.std)
    assert recipe_from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


@pytest.mark.parametrize(("name", "mean"), [("none", 0.0), ("half", 0.5), ("null", None)])
def test_normalisations_by_name(name: str, mean: float | None) -> None:
    found = read_recipe(LEAST + f"normalize: {name}\n", "mine").normalization()
    assert (found and found.mean) == (mean if mean is None else (mean,))


def test_keys_that_came_later_leave_older_runs_as_they_were() -> None:
    later = {"image_size", "skip_broken", "normalize"}
    assert not later & {*read_recipe(LEAST, "mine").to_json()}
    text = LEAST + "image_size: 16\nskip_broken: true\nnormalize: half\n"
    assert later < {*read_recipe(text, "mine").to_json()}


def test_unknown_and_unreadable_recipes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown recipe 'digit': did you mean 'digits'"):
        load_recipe("digit")
    with pytest.raises(UsageError, match="no recipe at"):
        load_recipe(str(tmp_path / "none.yaml"))
    (tmp_path / "bytes.yaml").write_bytes(b"about: \xff")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        load_recipe(str(tmp_path / "bytes.yaml"))


def test_data_become_absolute_only_where_they_are_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "digits").mkdir()
    recipe = read_recipe(LEAST, "mine")
    assert recipe.changed(data="images").data == str(tmp_path / "images")
    assert recipe.changed(data="someone/images").data == "someone/images"
    assert recipe.changed().data == "digits"
    assert recipe.changed(epochs=3).search.epochs == 3


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ("search: {learning_rate: .inf}", "search.learning_rate is Infinity: expected a finite number"),
        ("search: {learning_rate: .nan}", "search.learning_rate is NaN: expected a finite number"),
        (f"search: {{epochs: {'9' * 400}}}", 'search.epochs is "a number of 40'),
        ("search: {method: two_stage, dial_epochs: -1}", "search.dial_epochs is -1: expected at least 0"),
        (f"search: {{batch_size: {10**30}}}", "search.batch_size is 1"),
        ("search: {momentum: 1.5}", "search.momentum is 1.5: expected at most 1"),
        ("search: {hypernet: {kind: mlp, hidden: [30000, 30000]}}", "needs 902,550,000 parameters, but at most"),
        ("search: {hypernet: {kind: mlp, hidden: [1.5]}}", "hidden[0] is 1.5: expected a whole number"),
        ("search: {hypernet: {kind: kernel, pivots: 100000000}}", "search.hypernet"),
        ("network: {cells: 100000000}", "network.cells is 100000000: expected at most 65,536"),
        ("network: {nodes: 1000000}", "network.nodes is 1000000: expected at most 65,536"),
        ("network: {cells: 60000, nodes: 60000}", "operations, but a supernet may have at most 50,000"),
        ("network: {stem_stride: 3}", "network.stem_stride is 3: expected 1, 2, 4"),
        (
            "network: {widths: [0.5, 1]}",
            "widths = [0.5, 1]: expected fractions of the channels in decreasing order from 1",
        ),
        ("network: {widths: [1, 2]}", "network.widths[1] is 2: expected at most 1"),
        ("network: {widths: [1, 0.75]}", "widths = [1, 0.75]: with 16 channels in multiples of 8, all round to 16"),
        ("name: '..'", 'name is "..": expected a plain name'),
        ("name: ''", 'name is "": expected a non-empty string'),
        ("name: ' x'", "expected a plain name"),
        ("data: ''", 'data is "": expected a non-empty string'),
        ("tables: {../x: t.json}", "tables"),
        ("train: {label_smoothing: 2}", "train.label_smoothing is 2: expected at most 1"),
        ("profile: {repeats: 0}", "profile.repeats is 0: expected at least 1"),
        ("dial: {kind: budget, strength: .inf}", "dial.strength is Infinity"),
    ],
)
def test_what_makes_no_sense(more: str, part: str) -> None:
    text = LEAST.replace("data: digits\n", "") if more.startswith("data") else LEAST
    with pytest.raises(UsageError) as caught:
        read_recipe(text + more + "\n", "mine.yaml")
    assert part in str(caught.value)


def test_precisions_are_those_of_fabric() -> None:
    from lightning_fabric.connector import _PRECISION_INPUT_STR, _PRECISION_INPUT_STR_ALIAS

    ours = get_args(Precision)
    assert {*ours} == {*get_args(_PRECISION_INPUT_STR), *get_args(_PRECISION_INPUT_STR_ALIAS)}


def test_what_came_later_is_written_where_it_is_used() -> None:
    """So that runs of older versions are gone on with by their own recipes."""
    assert read_recipe(LEAST, "mine.yaml").to_json()["network"].keys().isdisjoint(CellSettings.later)
    used = read_recipe(LEAST + "network: {outputs: 3}\n", "mine.yaml").to_json()
    assert used["network"]["outputs"] == 3 and "tokens" not in used["network"]
    for kind in ("cells", "nas_bench_201"):
        assert "widths" not in read_recipe(LEAST + f"network: {{kind: {kind}}}\n", "mine.yaml").to_json()["network"]
        wide = read_recipe(LEAST + f"network: {{kind: {kind}, widths: [1, 0.5]}}\n", "mine.yaml")
        assert wide.network.example_space().choices[-1].options == ("1", "0.5")
        assert wide.to_json()["network"]["widths"] == [1, 0.5]
