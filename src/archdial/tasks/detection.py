"""Detection: boxes with a class each; set prediction, and mean average precision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError, unknown
from archdial.data.split import Batch
from archdial.data.takes import moved
from archdial.tasks.average_precision import MOST, AveragePrecision, Detections
from archdial.tasks.measure import Measure
from archdial.tasks.objects import Objects, asked_objects, logits_and_boxes
from archdial.tasks.own import Loss, check_loss, own_loss
from archdial.tasks.set_prediction import set_loss
from archdial.tasks.task import Outputs, Score, Task, divergence

ScoreName = Literal["mAP", "mAP50"]
_THRESHOLDS = {"mAP": tuple(0.5 + 0.05 * step for step in range(10)), "mAP50": (0.5,)}


class Detection(Task):
    """Targets are a list of dicts, one per image: boxes (k, 4) and class_labels (k,) from 0; k may be 0.

    Boxes are centre x, centre y, width, height as fractions of the image, like those of DETR and YOLOS in transformers.
    The network returns logits (n, places, classes) and boxes (n, places, 4), or a dict of `logits` and `pred_boxes`.

    Args:
        score: mAP, the mean over IoU of 0.5, 0.55, …, 0.95 as in COCO, or mAP50, only at 0.5 as in VOC.
        nothing: the last logit means "no object", as in DETR and YOLOS; otherwise each class is independent (sigmoid),
            as in Deformable DETR and most one-stage detectors.
        class_weights: weight of each class in the loss, for example if some are rare; equal by default.
        loss: (outputs, batch) → tensor (), a custom loss; set prediction by default (Carion et al. 2020).
        detections: outputs → for each image a dict of boxes (k, 4) as above, scores (k,) and labels (k,), if the
            network returns something else, or for non-maximum suppression.

    Raises:
        UsageError: there is no such score, or the loss is not a function.
    """

    def __init__(
        self,
        score: ScoreName = "mAP",
        *,
        nothing: bool = True,
        class_weights: Sequence[float] | None = None,
        loss: Loss | None = None,
        detections: Callable[[Outputs], Detections] | None = None,
    ) -> None:
        if score not in _THRESHOLDS:
            raise unknown("score", score, _THRESHOLDS)
        if loss is not None:
            check_loss(loss)
        self.measure = Measure(score)
        self._nothing, self._loss, self._detections = nothing, loss, detections
        self._weights = None if class_weights is None else torch.tensor(list(class_weights), dtype=torch.float32)

    @property
    def chance(self) -> float:
        """The score of guessing: 0."""
        return 0.0

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the set prediction loss () per object, or the custom loss.

        Raises:
            UsageError: targets or class weights do not fit the outputs.
        """
        if self._loss is not None:
            return own_loss(self._loss, outputs, batch)
        logits, boxes = logits_and_boxes(outputs)
        classes = logits.shape[2] - self._nothing
        if self._weights is not None and len(self._weights) != classes:
            raise UsageError(f"{len(self._weights)} class_weights for a network of {classes} classes: give one each")
        wanted = asked_objects(batch, len(logits), classes)
        return set_loss(logits, boxes, wanted, nothing=self._nothing, weights=self._weights, smoothing=smoothing)

    def score(self) -> Score:
        """Return a mAP without any image yet."""
        return AveragePrecision(self._read, _THRESHOLDS[self.measure.name])

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return how far classes and boxes are from a teacher's, ().

        The divergence of softened logits at each place, times temperature², plus the distance of its box, weighted by
        how certain the teacher is of an object there: its boxes elsewhere do not matter.
        """
        if self._detections is not None:
            return super().apart(outputs, taught, temperature)
        (logits, boxes), (sure, placed) = logits_and_boxes(outputs), logits_and_boxes(taught)
        weights = self._probabilities(sure).amax(2)
        near = (functional.l1_loss(boxes, placed, reduction="none").sum(2) * weights).sum() / weights.sum()
        return self._apart(logits, sure, temperature) + near

    def _apart(self, logits: Tensor, taught: Tensor, temperature: float) -> Tensor:
        if not self._nothing:
            # One of a class and of its absence.
            logits, taught = (torch.stack((one, torch.zeros_like(one)), 3) for one in (logits, taught))
        return divergence(logits.flatten(0, -2), taught.flatten(0, -2), temperature)

    def _probabilities(self, logits: Tensor) -> Tensor:
        return logits.softmax(2)[..., :-1] if self._nothing else logits.sigmoid()

    def _read(self, outputs: Outputs, batch: Batch) -> tuple[Detections, list[Objects]]:
        found = moved(self._found(outputs) if self._detections is None else self._detections(outputs), _CPU)
        return found, asked_objects(moved(batch, _CPU), len(found))

    def _found(self, outputs: Outputs) -> Detections:
        """Return the likeliest of all places and classes of each image."""
        logits, boxes = logits_and_boxes(outputs)
        scores = self._probabilities(logits).float().nan_to_num(0.0).flatten(1)
        best, numbers = scores.topk(min(MOST, scores.shape[1]))
        classes = logits.shape[2] - self._nothing
        places = (numbers // classes)[..., None].expand(-1, -1, 4)
        chosen = boxes.float().nan_to_num(0.0).gather(1, places)
        return [
            {"boxes": one, "scores": score, "labels": label}
            for one, score, label in zip(chosen, best, numbers % classes, strict=True)
        ]


_CPU = torch.device("cpu")
