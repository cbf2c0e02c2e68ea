"""Gates from the command line: train a backbone, search, pick, fine-tune; and wrong calls."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from archdial.common.errors import UsageError
from archdial.comparing.experiments import plateau
from archdial.families.storage import load_family, load_member
from archdial.networks.backbones import resnet20
from archdial.networks.graph.network import GatedNetwork
from archdial.searching.settings import SearchSettings
from tests.cli.conftest import Answer, call, done, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]

# Without the first stage, as much of the time of each command goes into pricing what all gates decide together.
CHOICES = ', include: ["stages.1.*", "stages.2.*"], groups: {"stages.*.pair": ["stages.*.conv2", "stages.*.bn2"]}'
RECIPE = """
data: digits
channels: 1
weights: 0.5
limit: 120
network: {kind: gates, model: resnet20, width: 2CHOICES}
profile: {networks: 0, repeats: 3}
search:
  regime: tuned
  paths: kept
  epochs: 1
  batch_size: 30
  dial_steps: 60
  evaluations: 8
  sample: 6
  rounds: 1
  evaluation_images: 40
  calibration_images: 40
  hypernet: {kind: piecewise_constant}
train: {epochs: 1, batch_size: 30}
published_areas: {hypernetwork: 0.342, drawn: 0.065}
""".replace("CHOICES", CHOICES)


@dataclass
class Pruned:
    recipe: Path
    weights: Path
    folder: Path
    trained: Answer
    searched: Answer


@pytest.fixture(scope="module")
def pruned(short_lessons: None, exported_once: None, tmp_path_factory: pytest.TempPathFactory) -> Pruned:
    place = tmp_path_factory.mktemp("gates")
    recipe, weights, folder = write_recipe(place, RECIPE), place / "backbone.safetensors", place / "run"
    trained = call("train", recipe, "--out", weights, "--json")
    assert trained.status == 0, trained.err
    assert " test images 8×8 in 10 classes (0 " in trained.err
    searched = call("search", recipe, "--weights", weights, "--out", folder, "--json")
    assert searched.status == 0, searched.err
    return Pruned(recipe, weights, folder, trained, searched)


def test_train_writes_weights_of_the_backbone(pruned: Pruned) -> None:
    from archdial.networks.graph.source import load_weights

    assert set(pruned.trained.json["accuracy"]) == {"validation", "test"}
    load_weights(resnet20(2, in_channels=1), pruned.weights)


def test_a_family_over_gates_is_loaded_and_built(pruned: Pruned) -> None:
    family = load_family(pruned.folder)
    whole = family.costs["parameters"].of(family.network.whole)  # type: ignore[attr-defined]
    assert whole == sum(p.numel() for p in resnet20(2, in_channels=1).parameters())
    member = family.within(params=whole / 2)
    assert sum(p.numel() for p in member.build().parameters()) == member.parameters <= whole / 2


def test_nothing_dropped_is_the_users_network_although_its_weights_were_tuned(pruned: Pruned) -> None:
    family, own = load_family(pruned.folder), load_file(pruned.weights)
    assert isinstance(family.network, GatedNetwork)
    built = family.member(family.network.whole).build().state_dict()
    assert built.keys() == own.keys() and all(value.equal(own[name]) for name, value in built.items())
    tuned = family.network.body.state_dict()
    assert not all(tuned[name].equal(own[name]) for name in own if name.endswith("conv1.weight"))
    copied = copy.deepcopy(family.network).build(family.network.whole).state_dict()
    assert all(value.equal(own[name]) for name, value in copied.items())


def test_a_member_is_picked_tuned_and_loaded(pruned: Pruned, tmp_path: Path) -> None:
    limit = sum(pruned.searched.json["range"]["latency_ms"]) / 2
    answer = call(
        "finetune", pruned.folder, "--latency-ms", limit, "--epochs", 1, "--out", tmp_path / "member", "--json"
    )
    assert answer.status == 0, answer.err
    module = load_member(tmp_path / "member")
    assert module(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    assert sum(p.numel() for p in module.parameters()) == answer.json["parameters"]


def test_refined_it_is_ranked_by_members_tuned_from_inherited_weights(pruned: Pruned, tmp_path: Path) -> None:
    run = Path(shutil.copytree(pruned.folder, tmp_path / "run"))
    answer = done("refine", run, "--members", 3, "--epochs", 1, "--workers", 1, "--json")
    assert answer.json["weights"] == "finetuned"
    family = load_family(run)
    assert family.refinement is not None and {one.name for one in family.refinement.trained} == {
        row["name"] for row in answer.json["trained"]
    }
    best = max(family.refinement.claims, key=lambda claim: claim.merit)
    assert family.front()[-1].after_training.score == best.score  # type: ignore[union-attr]
    # Nothing dropped is as ever the network of before, whatever it scores once it was trained on.
    old, new = (one.build(one.network.whole) for one in (load_family(pruned.folder), family))  # type: ignore[attr-defined]
    assert all(value.equal(new.state_dict()[name]) for name, value in old.state_dict().items())


def test_a_member_is_exported(pruned: Pruned, tmp_path: Path) -> None:
    limit = sum(pruned.searched.json["range"]["latency_ms"]) / 2
    out = tmp_path / "member.onnx"
    answer = call("export", pruned.folder, "--latency-ms", limit, "--format", "onnx", "-o", out, "--json")
    assert answer.status == 0, answer.err
    assert answer.json["comparison"] == {"batches": [1, 4], "largest_difference": pytest.approx(0, abs=1e-4)}
    assert answer.json["member"]["latency_ms"] <= limit
    assert sorted(path.name for path in tmp_path.iterdir()) == ["member.onnx", "member.onnx.json"]


def test_what_counts_as_kept_runs(pruned: Pruned) -> None:
    for member in pruned.searched.json["members"]:
        kept = [name for name, option in member["architecture"].items() if option == "keep"]
        branches = {
            n.removesuffix(".branch") for n, o in member["architecture"].items() if ".branch" in n and o != "keep"
        }
        assert not [name for name in kept if name.removesuffix(".relu1").removesuffix(".bn1") in branches]


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        ("", (), "archdial train"),
        ("", ("--weights", "nowhere.safetensors"), "no weights at"),
        ("model: resnet19", (), "did you mean 'resnet18'"),
        ("model: nowhere:make", ("--trust",), "nowhere:make"),
        ("model: math:pi", ("--trust",), "math:pi"),
        ("model: torch.nn:Identity", ("--trust",), "nothing in this network can be dropped"),
        ("model: torch.nn:Identity", (), "torch.nn:Identity is code named only by a file, so it is not called"),
        ("", ("--model", "torch.nn:Identity"), "nothing in this network can be dropped"),
        ("include: [stages.0.0.cnv1]", ("--weights", "good"), "stages.0.0.conv1"),
        ("widht: 3", (), "network.widht: unknown key"),
    ],
)
def test_wrong_gates_are_refused_before_anything_is_written(
    pruned: Pruned, tmp_path: Path, change: str, arguments: tuple[str, ...], message: str
) -> None:
    key = change.partition(":")[0]
    text = RECIPE.replace(CHOICES, "")
    if key == "model":
        text = text.replace("model: resnet20, width: 2", change)
    elif change:
        text = text.replace("width: 2", f"width: 2, {change}")
    given = [str(pruned.weights) if argument == "good" else argument for argument in arguments]
    answer = call("search", write_recipe(tmp_path, text), "--out", tmp_path / "run", *given)
    assert answer.status == 2
    assert message in answer.sentence
    assert not (tmp_path / "run").exists()


def test_weights_of_another_model_are_refused_with_the_first_key(pruned: Pruned, tmp_path: Path) -> None:
    other = write_recipe(tmp_path, RECIPE.replace("width: 2", "width: 3"))
    answer = call("search", other, "--weights", pruned.weights, "--out", tmp_path / "run")
    assert answer.status == 2
    assert "conv1.weight has shape (2, 1, 3, 3), expected (3, 1, 3, 3)" in answer.sentence
    deeper = write_recipe(tmp_path, RECIPE.replace("resnet20", "resnet56"))
    answer = call("search", deeper, "--weights", pruned.weights, "--out", tmp_path / "run")
    assert "missing stages.0.3.conv1.weight" in answer.sentence


def test_train_is_for_gates_and_overwrites_nothing(pruned: Pruned, tmp_path: Path) -> None:
    again = call("train", pruned.recipe, "--out", pruned.weights)
    assert again.status == 2
    assert "exists" in again.sentence
    cells = call("train", "digits", "--out", tmp_path / "w.safetensors")
    assert cells.status == 2
    assert "searches cells" in cells.sentence
    pickled = call("train", pruned.recipe, "--out", tmp_path / "w.pt")
    assert ".safetensors" in pickled.sentence


def test_a_pickle_is_never_run(pruned: Pruned, tmp_path: Path) -> None:
    torch.save(resnet20(2, in_channels=1), tmp_path / "model.pt")
    answer = call("search", pruned.recipe, "--weights", tmp_path / "model.pt", "--out", tmp_path / "run")
    assert answer.status == 2
    assert "without running code" in answer.sentence


def test_a_run_is_compared_with_baselines(pruned: Pruned) -> None:
    names = ["random", "drawn", "greedy", "knapsack"]
    answer = call("compare", pruned.folder, "--baselines", ",".join(names), "--budget", 5, "--count", 2, "--json")
    assert answer.status == 0, answer.err
    value = answer.json
    assert value["format"] == "archdial.comparison" and value["full"]["name"] == "the untouched network"
    assert [method["name"] for method in value["methods"]] == ["hypernetwork", *names]
    assert [method["evaluations"] for method in value["methods"][1:4]] == [5, 5, 5]
    assert [method["chosen_by"] for method in value["methods"]].count("latency_ms") == 1
    assert all(0 <= method["area"] <= 1 and 1 <= len(method["members"]) <= 2 for method in value["methods"])
    assert (
        value["published_areas"] == pruned.searched.json["published_areas"] == {"hypernetwork": 0.342, "drawn": 0.065}
    )
    wrong = call("compare", pruned.folder, "--baselines", "gredy")
    assert wrong.status == 2 and "greedy" in wrong.err


def test_published_areas_stand_beside_ours(pruned: Pruned) -> None:
    answer = call("compare", pruned.folder, "--baselines", "drawn,greedy", "--budget", 3, "--count", 2)
    assert answer.status == 0, answer.err
    cells = {row[1].strip(): row[5].strip() for line in answer.out.splitlines() if len(row := line.split("│")) > 6}
    assert cells == {"hypernetwork": "0.342", "drawn": "0.065", "greedy": "–"}


def test_all_experiments_by_one_command(pruned: Pruned, monkeypatch: pytest.MonkeyPatch) -> None:
    # How far gates get in more steps is asked of the experiments themselves.
    monkeypatch.setattr(plateau, "STEPS", 4)
    answer = call("experiments", pruned.folder, "--count", 3, "--epochs", 1, "--json")
    assert answer.status == 0, answer.err
    value = answer.json["experiments"]
    penalties = [point["lambda"] for point in value["alone"]["points"]]
    assert len(penalties) == 3 and penalties == sorted(penalties)
    assert [point["lambda"] for point in value["hypernetwork"]["points"]] == penalties
    assert value["alone"]["chance"] == 0.1 and 0 <= value["relaxed"]["mean_difference"] <= 1
    assert len(value["relaxed"]["points"]) == 3
    assert {"experiments.json", "comparison.json"} <= {path.name for path in pruned.folder.iterdir()}
    assert len(answer.json["comparison"]["methods"]) == 4


def test_the_whole_network_teaches_its_members(pruned: Pruned) -> None:
    limit = sum(pruned.searched.json["range"]["latency_ms"]) / 2
    common = ("finetune", pruned.folder, "--latency-ms", limit, "--epochs", 1, "--json")
    taught, alone = call(*common), call(*common, "--no-distil")
    assert taught.json["distilled"] and not alone.json["distilled"]


def test_weights_and_dial_take_turns(pruned: Pruned, tmp_path: Path) -> None:
    turns = RECIPE.replace("  epochs: 1\n", "  epochs: 3\n  turns: 2\n", 1)
    recipe = write_recipe(tmp_path, turns)
    answer = call("search", recipe, "--weights", pruned.weights, "--out", tmp_path / "run", "--json")
    assert answer.status == 0, answer.err
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    phases = [line["phase"] for line in lines]
    assert phases == ["weights", "sample", "fill", "fill", "tune", "renew", "fill", "fill", "tune", "renew", "confirm"]
    family = load_family(tmp_path / "run")
    assert family.network.whole in {item.architecture for item in family.archive}


@pytest.mark.parametrize(("turns", "regime"), [(2, "tuned"), (-1, "tuned"), (1, "frozen")])
def test_turns_that_cannot_be(turns: int, regime: str) -> None:
    with pytest.raises(UsageError, match=r"search\.turns"):
        SearchSettings(regime=regime, turns=turns, epochs=2)  # type: ignore[arg-type]
