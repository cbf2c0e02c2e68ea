"""The training objective of a network: its task, and a teacher if there is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archdial.data.split import Batch
from archdial.tasks.calls import called
from archdial.tasks.task import Task


@dataclass(frozen=True)
class Objective:
    """The loss of a task, mixed with the distance to a teacher.

    Attributes:
        teacher: a trained network of equal outputs.
        share: of the distance in the whole.
        temperature: softens both sides of the distance.
        smoothing: of what is asked for; see `Task.loss`.
    """

    task: Task
    teacher: nn.Module | None = None
    share: float = 0.0
    temperature: float = 2.0
    smoothing: float = 0.0

    def __call__(self, inputs: Any, outputs: Any, batch: Batch) -> Tensor:
        """Return the objective () of `outputs` for `inputs`, which are those of `batch`."""
        loss = self.task.loss(outputs, batch, self.smoothing)
        if self.teacher is None or not self.share:
            return loss
        with torch.no_grad():
            taught = called(self.teacher, inputs)
        return (1 - self.share) * loss + self.share * self.task.apart(outputs, taught, self.temperature)
