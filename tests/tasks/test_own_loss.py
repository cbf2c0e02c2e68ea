"""A network that returns its own loss, as those of Hugging Face do when they are given labels: no task is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics.classification import MulticlassAccuracy

import archdial as ad
from archdial.common.errors import UsageError
from archdial.exporting import export
from archdial.exporting.built import BuiltMember
from archdial.families.storage import save_family
from tests.networks.examples import counted_table

pytestmark = pytest.mark.usefixtures("short_lessons")
QUICK = {"evaluations": 6, "sample": 4, "rounds": 1, "dial_steps": 20, "batch_size": 8}


class Judging(nn.Module):
    """Gives logits, and with labels its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, values: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        seen = values + self.first(values).relu()
        logits = self.head(seen + self.second(seen).relu())
        if labels is None:
            return {"logits": logits}
        return {"loss": functional.cross_entropy(logits, labels, label_smoothing=0.2), "logits": logits}


def batches(seed: int) -> Iterator[dict[str, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    for _ in range(4):
        values = torch.randn(8, 6, generator=generator)
        yield {"values": values, "labels": values[:, :3].argmax(1)}


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Judging().eval()


def test_its_loss_is_descended_and_is_the_score(model: nn.Module, tmp_path: Path) -> None:
    train, validation = list(batches(0)), list(batches(1))
    net = ad.gates(model, train[0], outputs=("loss", "logits"))
    settings = ad.SearchSettings(**QUICK, regime="tuned", epochs=2)
    family = ad.search(net, {"train": train, "validation": validation}, counted_table(net), settings=settings)
    assert family.task.measure.name == "loss" and not family.task.measure.higher_is_better
    whole = family.member(net.whole)
    with torch.no_grad():
        expected = sum(float(whole.build()(**batch)["loss"]) for batch in validation) / 4
    assert ad.score(whole.build(), validation, family.task) == pytest.approx(expected)
    tuned = whole.finetune(train, ad.TrainSettings(epochs=8, batch_size=8, learning_rate=0.05), teacher=model)
    assert ad.score(tuned, train, family.task) < ad.score(whole.build(), train, family.task)
    save_family(family, tmp_path)
    again = ad.load(tmp_path, model=model, task=ad.Task())
    assert ad.score(again.member(net.whole).build(), validation, again.task) == pytest.approx(expected)


def test_other_scores_see_the_other_outputs(model: nn.Module) -> None:
    data = list(batches(0))
    right = sum(int((model(one["values"])["logits"].argmax(1) == one["labels"]).sum()) for one in data)
    task = ad.Task(score=MulticlassAccuracy(3, average="micro"))
    assert ad.score(model, data, task) == pytest.approx(right / 32)


def test_whoever_runs_it_needs_no_labels(model: nn.Module, tmp_path: Path) -> None:
    batch = next(batches(0))
    net = ad.gates(model, batch, outputs=("loss", "logits"))
    member = net.build(net.space.random(torch.Generator().manual_seed(1)))
    plain = ad.without_loss(member)
    assert torch.equal(plain(batch["values"]), member(**batch)["logits"])
    assert "labels" not in str(plain.graph)
    built = BuiltMember(plain, (6,), None, (), {}, net.example)
    assert list(built.signature.inputs) == ["values"]
    file = tmp_path / "plain.pt2"
    export(built, file, "pt2")
    torch.testing.assert_close(torch.export.load(file).module()(batch["values"]), plain(batch["values"]))
    with pytest.raises(UsageError, match="does not return a loss next to other outputs"):
        ad.without_loss(plain)
    with pytest.raises(UsageError, match="a Judging: expected a module returned by build"):
        ad.without_loss(model)


def test_a_network_without_its_loss_is_told_how(model: nn.Module) -> None:
    train = list(batches(0))
    net = ad.gates(model, train[0])
    with pytest.raises(UsageError, match=r'returns no loss: capture it with gates\(model, batch, outputs=\("loss"'):
        ad.search(net, {"train": train, "validation": train}, counted_table(net), task=ad.Task())


def test_functions_of_something_else_are_told_what_they_are_called_with() -> None:
    batch = (torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(
        UsageError, match=r"the loss is called with \(outputs, batch\), .*: pass.* lambda outputs, batch"
    ):
        ad.Task(torch.nn.L1Loss()).loss(batch[0], batch)
    score = ad.Task(lambda outputs, batch: outputs.mean(), torch.nn.functional.l1_loss).score()
    with pytest.raises(UsageError, match=r"the score is called with \(outputs, batch\)"):
        score.add(batch[0], batch)
