"""Several labels per input, each present or not: binary cross-entropy and macro F1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError
from archdial.common.libraries import imported
from archdial.data.split import Batch
from archdial.tasks.measure import Measure
from archdial.tasks.parts import asked_tensor
from archdial.tasks.scores import MetricScore
from archdial.tasks.task import Outputs, Score, Task, alone


class MultiLabel(Task):
    """Targets (n, labels) of 0 and 1; the network returns logits (n, labels).

    Args:
        positive_weights: weight of each label's ones in the loss, for example if they are rare; 1 by default.

    `loss` and `score` raise UsageError if targets and outputs differ in shape, or torchmetrics is missing.
    """

    measure = Measure("macro F1")

    def __init__(self, positive_weights: Sequence[float] | None = None) -> None:
        self._weights = None if positive_weights is None else torch.tensor(list(positive_weights), dtype=torch.float32)

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the mean binary cross-entropy ().

        Raises:
            UsageError: targets and outputs differ in shape.
        """
        found = alone(outputs)
        wanted = asked_tensor(batch).to(found)
        if wanted.shape != found.shape:
            raise UsageError(
                f"targets of shape {tuple(wanted.shape)} for outputs {tuple(found.shape)}: expected 0 or 1 for each "
                "label and input"
            )
        weights = None if self._weights is None else self._weights.to(found.device)
        smoothed = wanted * (1 - smoothing) + smoothing / 2
        return functional.binary_cross_entropy_with_logits(found, smoothed, pos_weight=weights)

    def score(self) -> Score:
        """Return a macro F1 without any input yet; labels count as present from a probability of ½."""
        metrics = imported("torchmetrics", "the score macro F1", "scores").classification

        def make(found: Any, wanted: Any) -> Any:
            return metrics.MultilabelF1Score(num_labels=found.shape[1], average="macro")

        def parts(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
            return alone(outputs).float().sigmoid(), asked_tensor(batch).long()

        return MetricScore(make, parts)
