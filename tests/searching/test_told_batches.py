"""What does not fit only in a later batch is told with its batch, and what is asked of nobody is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import archdial as ad
from archdial.common.errors import NearChance, UsageError
from archdial.families.storage import family_json, save_family
from tests.networks.examples import counted_table
from tests.searching.test_own_data import SETTINGS, TUNED

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(6, 8), nn.Linear(8, 3)
        self.branch = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 8))

    def forward(self, inputs: Tensor) -> Tensor:
        features = self.stem(inputs)
        return self.head(features + self.branch(features))


def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


INPUTS = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    LABELS = net()(INPUTS).argmax(1)


def searched(train: Any, validation: Any, task: Any = None, settings: Any = SETTINGS, **options: Any) -> ad.Family:
    network = ad.gates(net(), INPUTS[:4])
    data = {"train": train, "validation": validation}
    return ad.search(
        network, data, counted_table(network), task=task or ad.Classification(), settings=settings, **options
    )


def rows(**changed: int) -> TensorDataset:
    labels = LABELS.clone()
    for place, label in changed.items():
        labels[int(place[1:])] = label
    return TensorDataset(INPUTS, labels)


def test_a_label_that_no_output_stands_for_is_told_wherever_it_is() -> None:
    told = r"labels from \d to 7 for a network with 3 classes: expected 0 to 2"
    with pytest.raises(UsageError, match=f"batch 3 of the validation data: {told}"):
        searched(rows(), DataLoader(rows(_50=7), 16))
    with pytest.raises(UsageError, match=f"batch 3 of epoch 1: {told}"):
        searched(DataLoader(rows(_50=7), 16), rows(), settings=TUNED)


def test_inputs_that_the_network_refuses_are_told_wherever_they_are() -> None:
    batches = [(INPUTS[:8], LABELS[:8]), (INPUTS[:8, :5], LABELS[:8])]
    with pytest.raises(UsageError, match=r"batch 1 of the validation data, .*\(8, 5\).*fails in network"):
        searched(rows(), batches)


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(list(rows()))


@pytest.mark.parametrize("settings", [SETTINGS, replace(TUNED, epochs=1)], ids=["frozen", "tuned"])
def test_a_loader_over_a_stream_is_counted(settings: Any) -> None:
    family = searched(DataLoader(Stream(), 16), DataLoader(Stream(), 16), settings=settings)
    assert family.info["images"]["weights"] == family.info["images"]["validation"] == 4
    family.front()[0].finetune(DataLoader(Stream(), 16), ad.TrainSettings(epochs=1))


class Once:
    def __init__(self) -> None:
        self.batches = iter([(INPUTS, LABELS)])

    def __iter__(self) -> Iterator[Any]:
        return self.batches


def test_what_gives_its_one_iterator_again_is_refused() -> None:
    with pytest.raises(UsageError, match="the train data are Once, which can be read only once"):
        searched(Once(), rows())


def test_a_network_that_guesses_is_warned_of_though_nobody_said_how_many_classes_there_are() -> None:
    wrong = TensorDataset(INPUTS, (LABELS + 1) % 3)
    with pytest.warns(NearChance, match=r"network is 0\.00 % on validation data, and guessing gives 33\.33"):
        searched(wrong, wrong)


def test_the_untouched_score_is_said_without_a_bar_too(capsys: pytest.CaptureFixture[str]) -> None:
    searched(rows(), rows())
    assert "untouched network: accuracy 100.00 %" in capsys.readouterr().err


def cross_entropy(outputs: Tensor, batch: Any) -> Tensor:
    return nn.functional.cross_entropy(outputs, batch[1])


def percent(outputs: Tensor, batch: Any) -> Tensor:
    return 100 * (outputs.argmax(1) == batch[1]).float().mean()


@pytest.mark.parametrize(
    "task",
    [ad.Task(lambda outputs, batch: cross_entropy(outputs, batch) - 5), ad.Task(cross_entropy, percent)],
    ids=["a loss below 0", "a score above 1"],
)
def test_scores_beyond_the_best_are_told_apart(task: Any, tmp_path: Path) -> None:
    family = searched(rows(), rows(), task)
    scores = torch.tensor([item.score for item in family.archive])
    space, measure = family.space, family.task.measure
    predicted = measure.score(family.predictor(space.one_hots(item.architecture for item in family.archive)))
    assert torch.corrcoef(torch.stack((predicted, scores)))[0, 1] > 0.9
    best = float(scores.max() if measure.higher_is_better else scores.min())
    assert family.within(latency_ms=1e9).score == pytest.approx(best, rel=0.05)
    save_family(family, tmp_path)
    again = ad.load(tmp_path, model=net(), task=task)
    ones = space.one_hots([family.archive[0].architecture])
    assert again.predictor(ones).equal(family.predictor(ones)) and family_json(again) == family_json(family)
