"""Every task fulfils its contract."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

import archdial as ad
from archdial.data.split import Batch
from archdial.tasks.named import TASKS
from archdial.tasks.task import Outputs, Task
from archdial.testing import TaskContract

SIZES = (5, 3)


@dataclass(frozen=True)
class Case:
    """A task, what is asked for of a number of examples, and outputs for them."""

    task: Callable[[], Task]
    wanted: Callable[[int], Any] | None
    outputs: Callable[[int], Outputs]


def boxes(count: int) -> list[dict[str, torch.Tensor]]:
    return [{"boxes": torch.rand(2, 4) * 0.4 + 0.3, "class_labels": torch.tensor([0, 2])} for _ in range(count)]


def detections(count: int) -> dict[str, torch.Tensor]:
    return {"logits": torch.randn(count, 4, 4), "pred_boxes": torch.rand(count, 4, 4) * 0.4 + 0.3}


def imitation() -> Task:
    torch.manual_seed(2)
    return ad.Imitation().taught(nn.Linear(6, 2).eval())


def squares(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    return (outputs - batch[1]).square().mean()


CASES = {
    "classification": Case(ad.Classification, lambda n: torch.arange(n) % 3, lambda n: torch.randn(n, 3)),
    "multi_label": Case(ad.MultiLabel, lambda n: torch.arange(3 * n).view(n, 3) % 2, lambda n: torch.randn(n, 3)),
    "regression": Case(ad.Regression, lambda n: torch.randn(n, 2), lambda n: torch.randn(n, 2)),
    "segmentation": Case(
        ad.Segmentation, lambda n: torch.arange(n * 20).view(n, 4, 5) % 3, lambda n: torch.randn(n, 3, 4, 5)
    ),
    "detection": Case(lambda: ad.Detection(nothing=True), boxes, detections),
    "language_modelling": Case(
        ad.LanguageModelling, lambda n: torch.arange(n * 5).view(n, 5) % 7, lambda n: torch.randn(n, 5, 7)
    ),
    "imitation": Case(imitation, None, lambda n: torch.randn(n, 2)),
    "own": Case(
        lambda: ad.Task(squares, squares, higher_is_better=False, best=0.0),
        lambda n: torch.randn(n, 2),
        lambda n: torch.randn(n, 2),
    ),
}


@pytest.mark.parametrize("kind", CASES)
class TestTasks(TaskContract):
    @pytest.fixture(autouse=True)
    def chosen(self, kind: str) -> None:
        self.case = CASES[kind]

    def make(self) -> Task:
        return self.case.task()

    def batches(self) -> Sequence[Batch]:
        torch.manual_seed(3)
        asked = self.case.wanted
        return [(torch.randn(size, 6), *(() if asked is None else (asked(size),))) for size in SIZES]

    def outputs(self, batch: Batch) -> Outputs:
        return self.case.outputs(len(batch[0]))


def test_all_tasks_are_here() -> None:
    assert set(TASKS) == set(CASES) - {"own"}
