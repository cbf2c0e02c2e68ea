"""Classification of images in memory: bytes that are normalised, shifted and mirrored, with one label each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archdial.data import Normalize, augment
from archdial.data.split import Batch
from archdial.tasks.classification import Classification, ScoreName
from archdial.tasks.task import Task


class ImageClassification(Classification):
    """Images as bytes (n, c, h, w) with labels (n,); a network gives logits (n, classes).

    Args:
        classes: how many there are, if that is known.
        score, class_weights: as of `Classification`.
    """

    def __init__(
        self,
        normalize: Normalize,
        classes: int | None = None,
        score: ScoreName = "accuracy",
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__(score, class_weights, classes)
        self.normalize = normalize
        self.usual = score == "accuracy" and class_weights is None

    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Tensor:
        """Return normalised images; varied they are shifted and mirrored first."""
        pixels = batch[0]
        if varied is not None:
            pixels = augment(pixels, varied, shift=max(1, pixels.shape[-1] // 14))
        return self.normalize(pixels.to(device))


def normalize_of(task: Task) -> Normalize | None:
    """Return from what to what `task` brings pixels, if it is one of images in memory."""
    return task.normalize if isinstance(task, ImageClassification) else None
