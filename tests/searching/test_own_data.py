"""Searches on data, networks and tasks of the user's own, from the first look to a family that is loaded again."""

from __future__ import annotations

import signal
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

import archdial as ad
from archdial.common.errors import NearChance, UsageError
from archdial.comparing.baselines.greedy import Greedy
from archdial.comparing.baselines.single import Single
from archdial.comparing.curves import search_baselines
from archdial.comparing.measured import evaluator_of, score
from archdial.data import seen_of
from archdial.families.family import Family
from archdial.families.storage import _tensors, family_json, load_member, save_family, save_member
from archdial.networks.graph import GatedNetwork
from archdial.searching.settings import SearchSettings
from archdial.tasks.task import Task
from archdial.training.loop import Interrupted
from archdial.training.settings import TrainSettings
from tests.networks.examples import counted_table
from tests.networks.graph.examples import lived_in

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]

WORDS, LENGTH = 12, 6
SETTINGS = SearchSettings(evaluations=14, sample=8, epochs=2, batch_size=16, dial_steps=20, rounds=2)
TUNED = SearchSettings(evaluations=14, sample=8, epochs=2, batch_size=16, dial_steps=20, rounds=2, regime="tuned")


class Tokens(Dataset[Any]):
    """Texts by name, whose label is whether the first token is high; one token is replaced at random."""

    def __init__(self, count: int, seed: int, *, stop_at: int | None = None) -> None:
        self.tokens = torch.randint(0, WORDS, (count, LENGTH), generator=torch.Generator().manual_seed(seed))
        self.stop_at, self.read = stop_at, 0

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        self.read += 1
        if self.read == self.stop_at:
            signal.raise_signal(signal.SIGINT)
        tokens = self.tokens[index].clone()
        tokens[1 + int(torch.randint(LENGTH - 1, ()))] = 0
        mask = torch.ones(LENGTH, dtype=torch.long)
        return {"tokens": tokens, "mask": mask, "labels": (self.tokens[index, 0] >= WORDS // 2).long()}


class Reader(nn.Module):
    """Tokens and a mask to two logits, with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.first, self.second = nn.Embedding(WORDS, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.act, self.norm, self.drop, self.head = (
            nn.GELU(),
            nn.LayerNorm(8),
            nn.Dropout(0.3),
            nn.Linear(8 * LENGTH, 2),
        )

    def forward(self, tokens: Tensor, mask: Tensor) -> dict[str, Tensor]:
        features = self.embedding(tokens) * mask[..., None]
        features = features + self.second(self.drop(self.act(self.first(features))))
        return {"logits": self.head(self.norm(features).flatten(1))}


def reader() -> Reader:
    torch.manual_seed(0)
    return Reader().eval()


def gated(model: nn.Module) -> GatedNetwork:
    batch = next(iter(DataLoader(Tokens(4, 0), 4)))
    return ad.gates(model, {"tokens": batch["tokens"], "mask": batch["mask"]})


def data(**options: Any) -> dict[str, Any]:
    return {
        "train": DataLoader(Tokens(64, 1, **options), 16, shuffle=True),
        "validation": DataLoader(Tokens(48, 2), 16),
    }


def searched(settings: SearchSettings, seen: Any, **options: Any) -> Family:
    network = gated(reader())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NearChance)
        return ad.search(network, seen, counted_table(network), settings=settings, task=ad.Classification(), **options)


@pytest.mark.parametrize(("stop_at", "optimizer"), [(20, "sgd"), (90, "sgd"), (90, "adamw")])
def test_an_interrupted_search_on_a_loader_goes_on_to_the_bit(
    stop_at: int, optimizer: Literal["sgd", "adamw"], tmp_path: Path
) -> None:
    settings = replace(TUNED, optimizer=optimizer)
    whole = searched(settings, data())
    with pytest.raises(Interrupted, match="continue with the same command and --resume"):
        searched(settings, data(stop_at=stop_at), folder=tmp_path)
    again = searched(settings, data(), folder=tmp_path, resume=True)
    assert family_json(again) == family_json(whole)
    own, other = _tensors(again), _tensors(whole)
    assert own.keys() == other.keys() and all(own[name].equal(other[name]) for name in own)


def test_a_family_of_texts_is_saved_loaded_and_trained(tmp_path: Path) -> None:
    family = searched(SETTINGS, data())
    save_family(family, tmp_path)
    loaded = ad.load(tmp_path, model=reader(), task=ad.Classification())
    assert family_json(loaded) == family_json(family)
    member = loaded.within(latency_ms=1.0)
    assert member.architecture == family.within(latency_ms=1.0).architecture
    settings = TrainSettings(epochs=15, batch_size=16, learning_rate=0.2, label_smoothing=0)
    tuned = member.finetune(Tokens(300, 4), settings)
    test = DataLoader(Tokens(60, 3), 20)
    assert score(tuned, test, loaded.task) > max(0.75, score(member.build(), test, loaded.task))
    save_member(member, tmp_path / "member", tuned)
    batch = next(iter(test))
    again = load_member(tmp_path / "member", model=reader())
    assert again(batch["tokens"], batch["mask"]).equal(tuned(batch["tokens"], batch["mask"]))


def test_its_code_away_a_family_answers_and_says_what_it_lacks(tmp_path: Path) -> None:
    family = searched(SETTINGS, data())
    save_family(family, tmp_path)
    closed = ad.load(tmp_path)
    assert [one.to_json() for one in closed.front()] == [one.to_json() for one in family.front()]
    with pytest.raises(UsageError, match="pass model="):
        closed.front()[0].build()
    opened = ad.load(tmp_path, model=reader())
    assert opened.front()[0].export(tmp_path / "member.pt2", "pt2").largest_difference <= 1e-4
    with pytest.raises(UsageError, match=r"scored by accuracy, and files store no functions: pass it again as task="):
        opened.front()[0].finetune(data()["train"])
    with pytest.raises(UsageError, match=r"scored by accuracy, but the task is scored by MAE: pass the task of the"):
        ad.load(tmp_path, model=reader(), task=ad.Regression())


class Line(nn.Module):
    """Numbers to one, with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU())
        self.mix, self.head = nn.Linear(6, 6), nn.Linear(6, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        return 100 * self.head(self.mix(inputs + self.branch(inputs)))


def trained() -> Line:
    torch.manual_seed(0)
    return lived_in(Line()).eval()


def numbers(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Inputs, and what the trained network gives for them, but for noise."""
    inputs, noise = torch.randn(count, 7, generator=torch.Generator().manual_seed(seed)).split([6, 1], 1)
    with torch.no_grad():
        return inputs, trained()(inputs)[:, 0] + noise[:, 0]


def line(task: Task, seen: dict[str, Any]) -> Family:
    network = ad.gates(trained(), numbers(4, 0)[0])
    return ad.search(network, seen, counted_table(network), settings=SETTINGS, task=task)


@pytest.mark.parametrize(("task", "best"), [(ad.Regression("RMSE"), 2.0), (ad.Regression("R2"), 0.98)])
def test_scores_that_are_no_shares_rule_the_dial(task: ad.Regression, best: float, tmp_path: Path) -> None:
    seen = {"train": TensorDataset(*numbers(64, 1)), "validation": [numbers(40, 2), numbers(8, 3)]}
    family = line(task, seen)
    members, measure = family.front(), task.measure
    assert len(members) > 1
    assert [one.merit for one in members] == sorted(one.merit for one in members), "what is slower is better"
    assert measure.merit(members[-1].score) >= measure.merit(best)
    assert family.within(latency_ms=1e3).merit >= members[-1].merit - 1e-6
    exact = score(family.network.untouched(), seen["validation"], task)
    found = {one.architecture: one.score for one in family.archive}
    assert found[family.network.whole] == pytest.approx(exact, rel=1e-5)  # type: ignore[attr-defined]
    save_family(family, tmp_path)
    again = ad.load(tmp_path, model=Line())
    built, own = again.front()[0].build(), family.front()[0].build()
    inputs = numbers(5, 5)[0]
    torch.testing.assert_close(built(inputs), own(inputs), msg="BatchNorm's statistics come from the file")


def test_without_labels_the_untouched_network_is_imitated() -> None:
    inputs = numbers(64, 1)[0]
    family = line(ad.Imitation(), {"train": TensorDataset(inputs), "validation": [inputs[:40], inputs[40:]]})
    members = family.front()
    assert members[-1].score == pytest.approx(1.0, abs=1e-4) and members[0].score < 0.9
    assert members[-1].architecture == family.network.whole  # type: ignore[attr-defined]


def test_baselines_judge_by_the_same_task() -> None:
    seen = {"train": TensorDataset(*numbers(64, 1)), "validation": [numbers(40, 2)]}
    family = line(ad.Regression("RMSE"), seen)
    evaluate = evaluator_of(family, seen_of(seen), 40)
    for item in family.archive[:3]:
        assert evaluate(item.architecture).score == pytest.approx(item.score, rel=1e-5)
    found = search_baselines(family, evaluate, {"greedy": Greedy(), "single": Single(2, 5)}, budget=10)
    assert len(found) == 3 and all(item.front for item in found)


def test_a_trained_network_that_guesses_is_warned_of() -> None:
    network = gated(reader())
    with pytest.warns(
        NearChance, match=r"network is [\d.]+ % on validation data, and guessing gives 50.00.*normalisation"
    ):
        ad.search(network, data(), counted_table(network), settings=SETTINGS, task=ad.Classification(classes=2))


@pytest.mark.parametrize(
    ("changed", "task", "told"),
    [
        ({}, None, r"your own data need a task: pass task=archdial\.Classification"),
        ({"validation": []}, ad.Classification(), "the validation data yield no batches: expected at least one"),
        (
            {"validation": [(torch.zeros(2, LENGTH).long(), 1)]},
            ad.Classification(),
            "a dict of tokens, mask: pass inputs",
        ),
        ({}, ad.Regression(), "targets of shape .* for outputs"),
        ({}, ad.Task(lambda o, b: b["x"]), "first batch of the train data, {tokens: .*, fails in network"),
    ],
)
def test_what_does_not_go_together_is_told_before_the_search(changed: Any, task: Any, told: str) -> None:
    network = gated(reader())
    with pytest.raises(UsageError, match=told):
        ad.search(network, {**data(), **changed}, counted_table(network), settings=SETTINGS, task=task)
