"""Classification: one label per input, cross-entropy, and accuracy or class-balanced scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from archdial.common.errors import UsageError, unknown
from archdial.common.libraries import imported
from archdial.data.split import Batch
from archdial.tasks.cross_entropy import IGNORED, cross_entropy, indices
from archdial.tasks.measure import ACCURACY, Measure
from archdial.tasks.parts import asked_tensor
from archdial.tasks.scores import MetricScore
from archdial.tasks.task import Outputs, Score, Task, alone, divergence

ScoreName = Literal["accuracy", "balanced accuracy", "macro F1"]
SCORES: tuple[ScoreName, ...] = ("accuracy", "balanced accuracy", "macro F1")
_METRICS = {"balanced accuracy": "MulticlassAccuracy", "macro F1": "MulticlassF1Score"}


class Accuracy(Score):
    """The share in [0, 1] of inputs, or of their places, that are classified rightly."""

    def __init__(self) -> None:
        self._right = self._count = 0

    def add(self, outputs: Outputs, batch: Batch) -> None:
        """Count the labels (n,) or (n, …) that the largest logits of `outputs` (n, classes) or (n, classes, …) are."""
        found = alone(outputs)
        # No class is −100, so what is left out is never right.
        labels = asked_tensor(batch).to(found.device)
        self._right += int((found.argmax(1) == labels).sum())
        self._count += int((labels != IGNORED).sum())

    def value(self) -> float:
        """Return the share."""
        return self._right / max(1, self._count)


class Classification(Task):
    """Labels (n,) from 0; the network returns logits (n, classes), or something with `logits`.

    Or one label per position (n, …), and logits (n, classes, …). A label of −100 is ignored.

    Args:
        score: accuracy, balanced accuracy (the mean over classes) or macro F1.
        class_weights: weight of each class in the loss, for example if some are rare; equal by default.
        classes: number of classes, if known.

    Raises:
        UsageError: there is no such score, or a weight is below 0.
    """

    def __init__(
        self,
        score: ScoreName = "accuracy",
        class_weights: Sequence[float] | None = None,
        classes: int | None = None,
    ) -> None:
        if score != "accuracy" and score not in _METRICS:
            raise unknown("score", score, SCORES)
        self.measure = ACCURACY if score == "accuracy" else Measure(score)
        self.score_name, self.class_weights, self.classes = score, class_weights, classes
        if class_weights is not None and not all(weight >= 0 for weight in class_weights):
            raise UsageError(f"class_weights are {list(class_weights)}: expected non-negative numbers")
        self._weights = None if class_weights is None else torch.tensor(list(class_weights), dtype=torch.float32)

    @property
    def chance(self) -> float | None:
        """The accuracy of guessing: 1 / classes; None if `classes` is unknown."""
        return 1 / self.classes if self.classes else None

    def chance_with(self, outputs: Outputs) -> float | None:
        """Return the accuracy of guessing: 1 / logits."""
        return 1 / alone(outputs).shape[1]

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy ().

        Raises:
            UsageError: labels or class weights do not fit the logits.
        """
        found = alone(outputs)
        weights = None if self._weights is None else self._weights.to(found.device)
        if weights is not None and len(weights) != found.shape[1]:
            raise UsageError(
                f"class_weights has {len(weights)} numbers, but the network has {found.shape[1]} classes: give one each"
            )
        return cross_entropy(found, self._labels(found, batch), weight=weights, label_smoothing=smoothing)

    def score(self) -> Score:
        """Return a score without any input yet."""
        if self.measure == ACCURACY:
            return Accuracy()
        name = _METRICS[self.measure.name]
        metrics = imported("torchmetrics", f"the score {self.measure.name}", "scores").classification

        def make(found: Any, wanted: Any) -> Any:
            return getattr(metrics, name)(num_classes=found.shape[1], average="macro", ignore_index=IGNORED)

        return MetricScore(make, lambda outputs, batch: (alone(outputs), indices(asked_tensor(batch))))

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return the divergence () of softened logits from a teacher's, times temperature² (Hinton et al. 2015)."""
        return divergence(alone(outputs), alone(taught), temperature)

    @staticmethod
    def _labels(found: Tensor, batch: Batch) -> Tensor:
        labels = indices(asked_tensor(batch)).to(found.device)
        if labels.is_floating_point() or labels.is_complex() or labels.shape != found.shape[:1] + found.shape[2:]:
            raise UsageError(
                f"labels of shape {tuple(labels.shape)}, {labels.dtype}, for outputs {tuple(found.shape)}: expected "
                "one class index per input"
            )
        return labels
