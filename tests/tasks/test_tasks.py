"""Each task: its loss descends, its score is what the definition says however data are batched, wrong data are told."""

from __future__ import annotations

import math
from collections import UserDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.data.takes import bytes_of, moved, size_of, taken
from archdial.tasks.calls import called
from archdial.tasks.task import Task


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def labels(count: int, classes: int, seed: int = 0) -> Tensor:
    return torch.randint(0, classes, (count,), generator=torch.Generator().manual_seed(seed))


def recall_by_class(logits: Tensor, wanted: Tensor) -> float:
    found = logits.argmax(1)
    return sum(float((found[wanted == c] == c).float().mean()) for c in wanted.unique()) / len(wanted.unique())


def f1(found: Tensor, wanted: Tensor) -> float:
    right = float((found & wanted).sum())
    return 2 * right / max(1.0, float(found.sum() + wanted.sum()))


def macro_f1(logits: Tensor, wanted: Tensor) -> float:
    found = logits.argmax(1)
    return sum(f1(found == c, wanted == c) for c in range(logits.shape[1])) / logits.shape[1]


def mean_iou(logits: Tensor, wanted: Tensor) -> float:
    found = logits.argmax(1)
    shares = [
        ((found == c) & (wanted == c)).sum() / ((found == c) | (wanted == c)).sum() for c in range(logits.shape[1])
    ]
    return float(torch.stack(shares).mean())


def explained(outputs: Tensor, wanted: Tensor) -> float:
    return float(1 - (outputs - wanted).square().sum() / (wanted - wanted.mean()).square().sum())


def perplexity(logits: Tensor, tokens: Tensor) -> float:
    return math.exp(nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()))


@dataclass(frozen=True)
class Case:
    """A task with outputs, what is asked for, and what the score then is."""

    task: Task
    outputs: Tensor
    wanted: Tensor
    expected: Callable[[Tensor, Tensor], float]


PIXELS = torch.randint(0, 3, (6, 4, 5), generator=torch.Generator().manual_seed(2))
TOKENS = torch.randint(0, 7, (6, 5), generator=torch.Generator().manual_seed(3))
CASES = {
    "accuracy": Case(
        ad.Classification(), drawn(6, 3), labels(6, 3), lambda o, w: float((o.argmax(1) == w).float().mean())
    ),
    "balanced": Case(ad.Classification("balanced accuracy"), drawn(40, 3), labels(40, 3), recall_by_class),
    "macro F1": Case(ad.Classification("macro F1"), drawn(40, 3), labels(40, 3), macro_f1),
    "MAE": Case(ad.Regression(), drawn(6, 2), drawn(6, 2, seed=1), lambda o, w: float((o - w).abs().mean())),
    "RMSE": Case(ad.Regression("RMSE"), drawn(6), drawn(6, seed=1), lambda o, w: float((o - w).square().mean().sqrt())),
    "R2": Case(ad.Regression("R2"), drawn(6, 1), drawn(6, seed=1), lambda o, w: explained(o[:, 0], w)),
    "mean IoU": Case(ad.Segmentation(), drawn(6, 3, 4, 5), PIXELS, mean_iou),
    "perplexity": Case(ad.LanguageModelling(), drawn(6, 5, 7), TOKENS, perplexity),
    "several labels": Case(
        ad.MultiLabel(),
        drawn(40, 3),
        (drawn(40, 3, seed=5) > 0).long(),
        lambda o, w: sum(f1(o[:, c] > 0, w[:, c] > 0) for c in range(3)) / 3,
    ),
    "own": Case(
        ad.Task(lambda o, b: (o - b[1]).square().mean(), lambda o, b: (o - b[1]).abs().mean(), higher_is_better=False),
        drawn(6, 2),
        drawn(6, 2, seed=1),
        lambda o, w: float((o - w).abs().mean()),
    ),
}


@pytest.mark.parametrize("sizes", [(6,), (1, 5), (2, 3, 1)])
@pytest.mark.parametrize("name", CASES)
def test_the_score_is_what_its_name_says_however_examples_are_batched(name: str, sizes: Sequence[int]) -> None:
    case = CASES[name]
    sizes = (*sizes, *([len(case.outputs) - 6] if len(case.outputs) > 6 else []))
    score = case.task.score()
    for outputs, wanted in zip(case.outputs.split(list(sizes)), case.wanted.split(list(sizes)), strict=True):
        score.add(outputs, (outputs, wanted))
    assert score.value() == pytest.approx(case.expected(case.outputs, case.wanted), abs=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_who_descends_the_loss_gets_the_best_score(name: str) -> None:
    case = CASES[name]
    outputs = case.outputs.clone().requires_grad_()
    optimizer = torch.optim.Adam([outputs], lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        case.task.loss(outputs, (outputs, case.wanted)).backward()
        optimizer.step()
    score = case.task.score()
    score.add(outputs.detach(), (outputs, case.wanted))
    measure = case.task.measure
    assert measure.error(score.value()) < 0.05
    assert measure.error(score.value()) < measure.error(case.expected(case.outputs, case.wanted))


@pytest.mark.parametrize(
    ("name", "higher", "best", "share"),
    [
        ("accuracy", True, 1, True),
        ("MAE", False, 0, False),
        ("R2", True, 1, False),
        ("mean IoU", True, 1, True),
        ("perplexity", False, 1, False),
    ],
)
def test_each_score_knows_its_direction_and_range(name: str, higher: bool, best: float, share: bool) -> None:
    measure = CASES[name].task.measure
    assert (measure.name, measure.higher_is_better, measure.best, measure.share) == (name, higher, best, share)


def test_rare_classes_count_more_where_they_weigh_more() -> None:
    logits, wanted = torch.zeros(4, 2), torch.tensor([0, 0, 0, 1])
    logits[:, 0] = 1.0
    plain, weighed = (
        task.loss(logits, (logits, wanted)) for task in (ad.Classification(), ad.Classification(class_weights=(1, 9)))
    )
    assert float(weighed) > 1.5 * float(plain)


def test_a_coarser_grid_of_outputs_is_brought_to_the_mask() -> None:
    outputs = torch.zeros(1, 2, 2, 2)
    outputs[:, 0, :, 0] = outputs[:, 1, :, 1] = 8.0
    mask = torch.zeros(1, 4, 4, dtype=torch.long)
    mask[:, :, 2:] = 1
    score = ad.Segmentation().score()
    score.add(outputs, (outputs, mask))
    assert score.value() == 1.0


def test_what_is_masked_is_not_asked_for() -> None:
    logits, mask = drawn(2, 5, 7), torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    by_name = {"input_ids": TOKENS[:2], "attention_mask": mask}
    kept = [(0, place) for place in range(4)] + [(1, 0)]
    losses = [nn.functional.cross_entropy(logits[row, place], TOKENS[row, place + 1]) for row, place in kept]
    assert float(ad.LanguageModelling("loss").loss(logits, by_name)) == pytest.approx(float(torch.stack(losses).mean()))


def test_imitation_agrees_with_who_is_imitated() -> None:
    torch.manual_seed(0)
    teacher, other = nn.Linear(4, 3), nn.Linear(4, 3)
    task = ad.Imitation().taught(teacher)
    batch = drawn(8, 4)
    for module, agreement in ((teacher, 1.0), (other, None)):
        outputs = module(task.inputs(batch, torch.device("cpu"))).detach()
        score = task.score()
        score.add(outputs, batch)
        wanted = teacher(batch).detach()
        expected = 1 - float((outputs - wanted).square().mean() / wanted.var(correction=0))
        assert score.value() == pytest.approx(expected if agreement is None else agreement, abs=1e-5)
    labelled = ad.Imitation(labelled=True).taught(teacher)
    assert labelled.inputs((batch, labels(8, 3)), torch.device("cpu")) is batch or labelled.inputs(
        (batch, labels(8, 3)), torch.device("cpu")
    ).equal(batch)
    with pytest.raises(UsageError, match="nothing to imitate: Imitation needs a pretrained network"):
        ad.Imitation().loss(batch, batch)


def test_who_is_imitated_runs_once_for_a_batch_that_is_judged_again_and_again() -> None:
    torch.manual_seed(0)
    teacher, runs = nn.Linear(4, 3), []
    teacher.register_forward_hook(lambda *_: runs.append(1))
    task, batch, device = ad.Imitation(labelled=True).taught(teacher), (drawn(8, 4), labels(8, 3)), torch.device("cpu")
    kept = task.prepared(batch)
    for other in (nn.Linear(4, 3), nn.Linear(4, 3)):
        assert task.size(kept) == 8
        outputs, score = other(task.inputs(kept, device)), task.score()
        loss = task.loss(outputs, kept)
        score.add(outputs.detach(), kept)
        assert len(runs) == 1
        assert loss.equal(task.loss(other(batch[0]), batch))
        assert score.value() == pytest.approx(1 - loss.item())
        runs.pop()


def test_a_metric_of_torchmetrics_is_a_score_with_its_name_and_direction() -> None:
    from torchmetrics.classification import MulticlassAUROC
    from torchmetrics.regression import MeanAbsolutePercentageError

    loss = nn.functional.cross_entropy
    task = ad.Task(lambda o, b: loss(o, b["labels"]), MulticlassAUROC(num_classes=3), share=True)
    assert (task.measure.name, task.measure.higher_is_better) == ("MulticlassAUROC", True)
    lower = ad.Task(lambda o, b: (o - b[1]).square().mean(), MeanAbsolutePercentageError())
    assert not lower.measure.higher_is_better and lower.measure.best == 0
    batch = {"x": drawn(6, 3), "labels": labels(6, 3)}
    score = task.score()
    score.add(batch["x"], batch)
    assert score.value() == pytest.approx(float(MulticlassAUROC(num_classes=3)(batch["x"], batch["labels"])))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: ad.Classification("recall"), "unknown score 'recall'.*accuracy, balanced accuracy, macro F1"),
        (lambda: ad.Regression("MSE"), "unknown score 'MSE'.*did you mean 'RMSE'"),
        (lambda: ad.LanguageModelling("bits"), "unknown score 'bits'"),
        (lambda: ad.Task(3), "loss is int, expected a function"),
        (lambda: ad.Task(torch.nn.functional.mse_loss, score=3), "score is int, expected a metric of torchmetrics"),
    ],
)
def test_tasks_that_cannot_be(make: Callable[[], object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make()


@pytest.mark.parametrize(
    ("task", "outputs", "batch", "told"),
    [
        (ad.Classification(), drawn(4, 3), (0, drawn(4)), "labels of shape .4,., torch.float32, for outputs .4, 3."),
        (ad.Classification(), drawn(4, 3), (0, labels(3, 3)), "labels of shape .3,."),
        (ad.Classification(), drawn(4, 3), drawn(4), "a batch of type Tensor without a target"),
        (ad.Classification(), drawn(4, 3), {"x": 1}, "a batch of x: expected a target under one of labels, label"),
        (
            ad.Classification(),
            {"a": drawn(2), "b": drawn(2)},
            (0, labels(2, 2)),
            "returns 2 tensors, but the task needs",
        ),
        (ad.Regression(), drawn(4, 3), (0, drawn(4, 2)), "targets of shape .4, 2. for outputs .4, 3."),
        (ad.MultiLabel(), drawn(4, 3), (0, labels(4, 3)), "expected 0 or 1 for each label"),
        (ad.Task(lambda o, b: o), drawn(4, 3), (0, 1), "the loss is .4, 3., expected a scalar tensor: take its"),
    ],
)
def test_what_does_not_fit_is_told(task: Task, outputs: Any, batch: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        task.loss(outputs, batch)


def test_batches_of_any_form_are_parted() -> None:
    x, y = drawn(4, 3), labels(4, 3)
    task, here = ad.Classification(), torch.device("cpu")
    assert task.inputs((x, y), here) is x and task.target((x, y)) is y
    assert task.inputs((x, x, y), here) == (x, x)
    by_name = {"tokens": x, "labels": y, "names": ["a", "b", "c", "d"]}
    assert task.inputs(by_name, here).keys() == {"tokens", "names"} and task.target(by_name) is y
    assert size_of(by_name) == 4
    assert taken(by_name, 2)["names"] == ["a", "b"] and len(taken(by_name, 2)["tokens"]) == 2
    assert taken((x, y), 3)[1].equal(y[:3])


class Encoded(UserDict[str, Any]):
    """A mapping that torch takes for a leaf, as a collator of transformers returns one."""

    @property
    def tokens(self) -> Tensor:
        found: Tensor = self["tokens"]
        return found


def test_batches_that_torch_takes_for_a_leaf_are_parted() -> None:
    batch = Encoded(tokens=drawn(4, 3), labels=labels(4, 2), names=["a", "b", "c", "d"])
    first = taken(batch, 2)
    assert first.tokens.equal(batch.tokens[:2]) and first["names"] == ["a", "b"] and len(batch.tokens) == 4
    assert size_of(Encoded(inside=batch)) == 4
    assert bytes_of((batch, 1)) == batch.tokens.nbytes + batch["labels"].nbytes
    away = moved([batch], torch.device("meta"))[0]
    assert away.tokens.is_meta and away["labels"].is_meta and not batch.tokens.is_meta
    # A network is called with a plain mapping, whether it is the batch or what is taken of one.
    for task in (ad.Task(), ad.Task(lambda outputs, _: outputs, inputs=lambda batch: batch)):
        assert type(task.inputs(batch, torch.device("cpu"))) is dict


def test_a_module_takes_what_it_has_arguments_for() -> None:
    class Named(nn.Module):
        def forward(self, tokens: Tensor) -> Tensor:
            return tokens + 1

    x = drawn(2, 3)
    assert called(Named(), {"tokens": x, "other": x}).equal(x + 1)
    # Wrapped, as a teacher is, it takes anything.
    assert called(Fabric(accelerator="cpu").setup_module(Named()), {"tokens": x, "other": x}).equal(x + 1)
    assert called(Named(), (x,)).equal(called(Named(), x))
