"""Classification of images in memory: one label an image, cross-entropy and accuracy."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from archdial.data import Normalize, augment
from archdial.tasks.measure import ACCURACY, Measure
from archdial.tasks.task import Batch, Score, Task


class Accuracy(Score):
    """The share in [0, 1] of images that are classified rightly."""

    def __init__(self) -> None:
        self._right = self._count = 0

    def add(self, outputs: Tensor, batch: Batch) -> None:
        """Count the images (n,) whose largest logit of `outputs` (n, classes) is their label's."""
        labels = batch[1].to(outputs.device)
        self._right += int((outputs.argmax(1) == labels).sum())
        self._count += len(labels)

    def value(self) -> float:
        """Return the share."""
        return self._right / self._count


class Classification(Task):
    """Images as bytes (n, c, h, w) with labels (n,); a network gives logits (n, classes).

    Args:
        classes: how many there are, if that is known.
    """

    measure: ClassVar[Measure] = ACCURACY

    def __init__(self, normalize: Normalize, classes: int | None = None) -> None:
        self.normalize, self.classes = normalize, classes

    @property
    def chance(self) -> float | None:
        """One right answer of as many as there are classes."""
        return 1 / self.classes if self.classes else None

    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Tensor:
        """Return normalised images; varied they are shifted and mirrored first."""
        pixels = batch[0]
        if varied is not None:
            pixels = augment(pixels, varied, shift=max(1, pixels.shape[-1] // 14))
        return self.normalize(pixels.to(device))

    def loss(self, outputs: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the mean cross-entropy ()."""
        return functional.cross_entropy(outputs, batch[1].to(outputs.device), label_smoothing=smoothing)

    def score(self) -> Accuracy:
        """Return an accuracy of no image yet."""
        return Accuracy()

    def apart(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """Return the divergence () of softened logits from a teacher's, times temperature² (Hinton et al. 2015)."""
        own, wanted = torch.log_softmax(outputs / temperature, 1), torch.log_softmax(taught / temperature, 1)
        return functional.kl_div(own, wanted, log_target=True, reduction="batchmean") * temperature**2
