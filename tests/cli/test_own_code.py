"""A network and data of the user's own, named on the command line: through every command, for scores of any kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import RECIPE as IMAGES
from tests.cli.conftest import call, done, write_module, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]

CODE = """
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import archdial as ad


class Net(nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.embed, self.head = nn.Embedding(20, 8), nn.Linear(8, outputs)
        self.first, self.second = nn.Conv1d(8, 8, 3, padding=1), nn.Conv1d(8, 8, 3, padding=1)

    def forward(self, tokens, mask):
        seen = self.embed(tokens).transpose(1, 2)
        seen = seen + self.first(seen).relu()
        seen = seen + self.second(seen).relu()
        return {"logits": self.head((seen * mask[:, None]).mean(2))}


def classifier():
    torch.manual_seed(0)
    return Net(3)


def regressor():
    torch.manual_seed(0)
    return Net(1)


class Sums(Dataset):
    def __init__(self, count, seed, target):
        self.tokens = torch.randint(0, 20, (count, 6), generator=torch.Generator().manual_seed(seed))
        self.target = target

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, place):
        tokens = self.tokens[place]
        return {"tokens": tokens, "mask": torch.ones(6), "line": place, "labels": self.target(tokens)}


def remainders():
    parts = {"train": Sums(64, 0, rest), "validation": Sums(40, 1, rest), "test": Sums(40, 2, rest)}
    return {**parts, "classes": ["none", "one", "two"]}


def rest(tokens):
    return tokens.sum() % 3


def mean(tokens):
    return tokens.float().mean()[None]


def means():
    return {"train": DataLoader(Sums(64, 0, mean), 16), "validation": DataLoader(Sums(40, 1, mean), 16)}


def off(outputs, batch):
    return (outputs - batch["labels"]).abs().mean()


def own():
    return {**means(), "task": ad.Task(off, off, name="deviation", higher_is_better=False)}


def nothing():
    return {"train": []}


def taskless():
    return means()


def unknown():
    return {**means(), "tset": []}


def failing():
    raise AttributeError("no such column")
"""
RECIPE = """
data: "own_code:DATA"
task: TASK
network: {kind: gates, model: "own_code:MODEL"}
search: {batch_size: 16, dial_steps: 40, evaluations: 5, sample: 4, rounds: 1, evaluation_images: 40}
profile: {networks: 0, repeats: 2}
train: {epochs: 4, batch_size: 16, optimizer: adamw, learning_rate: 0.01}
"""


@pytest.fixture(autouse=True)
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_module(tmp_path, "own_code", CODE, monkeypatch)


def recipe(folder: Path, data: str, model: str, task: str = "null") -> Path:
    path = folder / f"{data}.yaml"
    path.write_text(RECIPE.replace("DATA", data).replace("MODEL", model).replace("TASK", task), encoding="utf-8")
    return path


def test_a_classifier_of_texts_through_all_commands(tmp_path: Path) -> None:
    task = "{kind: classification, score: macro F1, class_weights: [1, 2, 1]}"
    file, run, weights = (
        recipe(tmp_path, "remainders", "classifier", task),
        tmp_path / "run",
        tmp_path / "w.safetensors",
    )
    names = ("--data", "own_code:remainders", "--model", "own_code:classifier")
    trained = json.loads(done("train", file, "--out", weights, "--json", *names).out)
    assert set(trained["macro F1"]) == {"validation", "test"}
    begun = done("search", file, "--weights", weights, "--out", run, *names)
    assert "64 train, 40 validation, 40 test" in begun.err
    assert f"untouched network: macro F1 {100 * trained['macro F1']['validation']:.2f} %" in begun.err
    # The file holds no functions, and says how scores are called; the recipe's weights of classes are in it too.
    family = json.loads((run / "family.json").read_text())
    assert family["task"] == {"measure": {"name": "macro F1", "higher_is_better": True, "best": 1.0, "share": True}}
    assert family["info"]["config"]["task"]["class_weights"] == [1, 2, 1]
    members = json.loads(done("evaluate", run, "--split", "test", "--count", "3", "--trust", "--json").out)["members"]
    assert members[0]["provenance"]["macro F1_split"] == "test" and 0 <= members[0]["macro F1"] <= 1
    compared = json.loads(done("compare", run, "--baselines", "random", "--count", "2", "--json", *names).out)
    assert compared["full"]["macro F1"] == pytest.approx(trained["macro F1"]["test"])
    assert compared["reference"]["macro F1"] == 0.0
    tuned = json.loads(done("finetune", run, "--at", "1", "--epochs", "1", "--json", *names).out)
    assert set(tuned["before"]) == {"validation", "test"} and tuned["distilled"]
    file = tmp_path / "member.pt2"
    done("export", run, "--at", "1", "--format", "pt2", "-o", file, "--trust")
    # What the network does not take of a batch, it is not given.
    assert [one["name"] for one in json.loads(Path(f"{file}.json").read_text())["inputs"]] == ["tokens", "mask"]
    done("report", run)
    assert "Macro F1 against latency" in (run / "report.html").read_text()


def test_errors_of_a_regression_without_a_test_split(tmp_path: Path) -> None:
    file, run = recipe(tmp_path, "means", "regressor", "{kind: regression, score: RMSE}"), tmp_path / "run"
    done("search", file, "--out", run, "--trust")
    compared = json.loads(
        done("compare", run, "--baselines", "random", "--split", "validation", "--trust", "--json").out
    )
    members = [member for method in compared["methods"] for member in method["members"]]
    worst = max(compared["full"]["RMSE"], *(member["RMSE"] for member in members))
    assert compared["reference"]["RMSE"] == worst and all(method["area"] >= 0 for method in compared["methods"])
    refused = call("evaluate", run, "--split", "test", "--trust")
    assert refused.status == 2 and "own_code:means returned no test split" in refused.sentence
    done("evaluate", run, "--count", "3", "--trust")
    done("report", run)
    tuned = json.loads(done("finetune", run, "--at", "1", "--epochs", "1", "--trust", "--json").out)
    assert set(tuned["after"]) == {"validation"} and tuned["provenance"]["RMSE_split"] == "validation"


def test_a_task_of_the_callers_functions(tmp_path: Path) -> None:
    file, run = recipe(tmp_path, "own", "regressor"), tmp_path / "run"
    found = json.loads(done("search", file, "--out", run, "--trust", "--json").out)
    assert all(member["deviation"] >= 0 for member in found["members"])
    again = done("search", file, "--out", run, "--trust", "--resume", "--json")
    assert json.loads(again.out)["members"] == found["members"]


def test_refined_by_processes_that_call_the_code_the_person_named(tmp_path: Path) -> None:
    file, run = recipe(tmp_path, "own", "regressor"), tmp_path / "run"
    done("search", file, "--out", run, "--trust")
    refused = call("refine", run, "--members", 2, "--workers", 2)
    assert refused.status == 2 and "own_code:" in refused.sentence and not (run / "refined").exists()
    names = ("--data", "own_code:own", "--model", "own_code:regressor")
    found = done("refine", run, "--members", 2, "--epochs", 1, "--workers", 2, "--json", *names).json
    assert (found["weights"], found["score"]["name"]) == ("finetuned", "deviation")
    scores = [row["after_training"]["deviation"] for row in found["trained"]]
    # Of a deviation the less is the better.
    assert [row["rank"]["after"] for row in found["trained"]] == [1 + sum(b < a for b in scores) for a in scores]


def test_data_that_only_a_file_names_are_not_called(tmp_path: Path) -> None:
    file = recipe(tmp_path, "means", "regressor", "regression")
    for words in (("search", file, "--out", tmp_path / "run"), ("profile", file, "--out", tmp_path / "t.json")):
        refused = call(*words, "--model", "own_code:regressor")
        assert refused.status == 2
        assert (
            "the data own_code:means is code named only by a file, so it is not called: pass --data" in refused.sentence
        )
    run = tmp_path / "run"
    done("search", file, "--out", run, "--trust")
    refused = call("evaluate", run, "--model", "own_code:regressor")
    assert refused.status == 2 and "pass --data own_code:means" in refused.sentence


@pytest.mark.parametrize(
    ("data", "task", "sentence"),
    [
        ("nothing", "regression", "own_code:nothing' returned train: expected a dict with train and validation"),
        ("taskless", "null", "data 'own_code:taskless' without a task: set one in the recipe"),
        ("unknown", "regression", "unknown key in what own_code:unknown returned 'tset': did you mean 'test'?"),
        ("failing", "regression", "data 'own_code:failing': calling it without arguments failed with AttributeError"),
        ("missing", "regression", "data 'own_code:missing': own_code has no 'missing'; pass a callable"),
        ("own", "regression", "own_code:own returned a task scored by deviation, but the recipe has one scored by MAE"),
        ("means", "regresion", "unknown task 'regresion': did you mean 'regression'?"),
        ("means", "{kind: regression, scores: MAE}", "unknown task setting 'scores': did you mean 'score'?"),
        ("means", "{kind: regression, score: MEA}", "did you mean 'MAE'?"),
        ("means", "{score: MAE}", "add `kind: …`"),
        ("means", "classification", "expected one class index per input"),
        ("remainders", "{kind: classification, class_weights: [1, 2]}", "class_weights has 2 numbers"),
    ],
)
def test_what_cannot_be_is_a_sentence(tmp_path: Path, data: str, task: str, sentence: str) -> None:
    model = "classifier" if data == "remainders" else "regressor"
    answer = call("search", recipe(tmp_path, data, model, task), "--out", tmp_path / "run", "--trust")
    assert answer.status == 2, answer.err
    assert sentence in answer.sentence
    assert not (tmp_path / "run" / "family.json").exists()


def test_images_in_folders_by_a_score_that_rare_classes_count_in(tmp_path: Path) -> None:
    task = f"task: {{kind: classification, score: balanced accuracy, class_weights: {[1.0] * 9 + [3.0]}}}\n"
    run = tmp_path / "run"
    found = done("search", write_recipe(tmp_path, IMAGES + task), "--out", run, "--json").json
    assert all(0 <= member["balanced accuracy"] <= 1 for member in found["members"])
    family = json.loads((run / "family.json").read_text())
    assert family["normalize"]["mean"] and family["task"]["measure"]["name"] == "balanced accuracy"
    evaluated = done("evaluate", run, "--count", "2", "--json").json
    assert evaluated["score"]["name"] == "balanced accuracy"
    tuned = done("finetune", run, "--at", evaluated["members"][0]["dial"], "--epochs", "1", "--json").json
    assert tuned["provenance"]["balanced accuracy_split"] == "test"
    refused = call("search", write_recipe(tmp_path, IMAGES + "task: segmentation\n"), "--out", tmp_path / "other")
    assert (
        refused.status == 2
        and "digits contains images with one label each: expected classification" in refused.sentence
    )
