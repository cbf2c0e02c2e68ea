"""Settings for training one plain network."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from archdial.common.limits import Count, Factor, Positive, Precision, Rate, Share
from archdial.common.validation import check_fields


@dataclass(frozen=True)
class TrainSettings:
    """How to train one network.

    Attributes:
        epochs: epochs over the training data.
        batch_size: examples per step, if the data do not come in batches.
        learning_rate: peak learning rate of SGD with Nesterov momentum, after a warm-up of one epoch, or 5 % of the run
            if that is shorter; then a cosine decay to 0.
        momentum: Nesterov momentum of SGD.
        weight_decay: weight decay.
        clip: largest norm of the gradient.
        label_smoothing: fraction of the target that is spread over all classes.
        augment: shift and mirror images in memory.
        distillation: weight of a teacher's softened outputs relative to the labels, if there is a teacher.
        temperature: softens both sides of the distillation (Hinton et al. 2015).
        precision: as in lightning-fabric, such as 32-true or bf16-mixed.
        optimizer: sgd, or adamw, which transformers need, at a much lower learning rate.

    Raises:
        UsageError: a setting is out of range.
    """

    epochs: Count = 20
    batch_size: Count = 64
    learning_rate: Rate = 0.1
    momentum: Share = 0.9
    weight_decay: Factor = 5e-4
    clip: Positive = 5.0
    label_smoothing: Share = 0.05
    augment: bool = True
    distillation: Share = 0.5
    temperature: Rate = 2.0
    precision: Precision = "32-true"
    # Not in the text of the settings, of which fingerprints of trainings that were begun before are made.
    optimizer: Literal["sgd", "adamw"] = field(default="sgd", repr=False)

    def __post_init__(self) -> None:
        check_fields(self, "train")

    @classmethod
    def finetuning(cls, epochs: int = 5) -> Self:
        """Return settings for inherited weights: fewer epochs, and a learning rate of 0.02."""
        return replace(cls(), epochs=epochs, learning_rate=0.02)

    def rate(self, progress: float) -> float:
        """Return the learning rate at `progress` in [0, 1], the fraction of the training that is done."""
        warm = min(0.05, 1 / self.epochs)
        if progress < warm:
            return self.learning_rate * max(progress / warm, 0.01)
        return self.learning_rate * (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2
