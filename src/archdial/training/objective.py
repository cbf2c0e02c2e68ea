"""What one plain network is trained for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from archdial.training.distillation import apart
from archdial.training.settings import TrainSettings


@dataclass
class Objective:
    """Cross-entropy with smoothed labels, and the distance to a teacher."""

    settings: TrainSettings
    teacher: nn.Module | None

    def __call__(self, inputs: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss () of `logits` (n, classes) for `inputs` and `labels` (n,)."""
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        if self.teacher is None:
            return loss
        with torch.no_grad():
            target = self.teacher(inputs)
        distance = apart(logits, target, self.settings.temperature)
        return (1 - self.settings.distillation) * loss + self.settings.distillation * distance
