"""Classification of images in memory: bytes that are normalised, shifted and mirrored, with one label each."""

from __future__ import annotations

import torch
from torch import Tensor

from archdial.data import Normalize, augment
from archdial.data.split import Batch
from archdial.tasks.classification import Classification
from archdial.tasks.task import Task


class ImageClassification(Classification):
    """Images as bytes (n, c, h, w) with labels (n,); a network gives logits (n, classes).

    Args:
        classes: how many there are, if that is known.
    """

    def __init__(self, normalize: Normalize, classes: int | None = None) -> None:
        super().__init__(classes=classes)
        self.normalize = normalize

    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Tensor:
        """Return normalised images; varied they are shifted and mirrored first."""
        pixels = batch[0]
        if varied is not None:
            pixels = augment(pixels, varied, shift=max(1, pixels.shape[-1] // 14))
        return self.normalize(pixels.to(device))


def normalize_of(task: Task) -> Normalize | None:
    """Return from what to what `task` brings pixels, if it is one of images in memory."""
    return task.normalize if isinstance(task, ImageClassification) else None
