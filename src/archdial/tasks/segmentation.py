"""Semantic segmentation: a class per pixel, cross-entropy and mean IoU."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError
from archdial.common.libraries import imported
from archdial.data.split import Batch
from archdial.tasks.cross_entropy import cross_entropy
from archdial.tasks.measure import Measure
from archdial.tasks.parts import asked_tensor
from archdial.tasks.scores import MetricScore
from archdial.tasks.task import Outputs, Score, Task, alone, divergence


class Segmentation(Task):
    """Masks (n, h, w) or (n, 1, h, w) of class indices; the network returns logits (n, classes, h, w), maybe coarser.

    Args:
        ignore_index: the mask value to ignore.

    `loss` and `score` raise UsageError if masks do not fit the outputs, or torchmetrics is missing.
    """

    measure = Measure("mean IoU")

    def __init__(self, ignore_index: int = -100) -> None:
        self.ignore_index = ignore_index

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy () over all pixels.

        Raises:
            UsageError: masks do not fit the outputs.
        """
        found, wanted = self._parts(outputs, batch)
        wanted = wanted.to(found.device)
        return cross_entropy(found, wanted, ignore_index=self.ignore_index, label_smoothing=smoothing)

    def score(self) -> Score:
        """Return a mean IoU without any pixel yet."""
        metrics = imported("torchmetrics", "the score mean IoU", "scores").classification

        def make(found: Any, wanted: Any) -> Any:
            return metrics.MulticlassJaccardIndex(self._classes, ignore_index=self.ignore_index)

        def parts(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
            found, wanted = self._parts(outputs, batch)
            self._classes = found.shape[1]
            return found.argmax(1), wanted

        return MetricScore(make, parts)

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return the mean divergence () over pixels of softened logits from a teacher's, times temperature²."""
        own, wanted = (alone(one).movedim(1, -1).flatten(0, -2) for one in (outputs, taught))
        return divergence(own, wanted, temperature)

    @staticmethod
    def _parts(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
        found, wanted = alone(outputs), asked_tensor(batch).long()
        if wanted.dim() == found.dim() and wanted.shape[1] == 1:
            wanted = wanted[:, 0]
        if wanted.dim() != found.dim() - 1:
            raise UsageError(
                f"masks of shape {tuple(wanted.shape)} for outputs {tuple(found.shape)}: expected a class index per "
                "pixel, (n, height, width)"
            )
        if found.shape[2:] != wanted.shape[1:]:
            found = functional.interpolate(found, wanted.shape[1:], mode="bilinear", align_corners=False)
        return found, wanted
