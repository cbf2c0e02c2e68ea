"""Accuracy of architectures with inherited weights, BatchNorm recalibrated for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archdial.networks.pretrained import Pretrained
from archdial.networks.statistics import recalibrate
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from archdial.tasks.task import Task


@dataclass(frozen=True)
class Evaluated:
    """An architecture with what was measured of it on validation images: accuracy in [0, 1], mean cross-entropy."""

    architecture: Architecture
    accuracy: float
    loss: float


PREFERENCE = 1e-3
"""By how much an architecture loses at least against the whole network it was cut from, as the dial sees it."""


def errors(evaluated: Sequence[Evaluated], whole: Architecture | None = None) -> Tensor:
    """Return 1 − accuracy (n,) as the dial sees it.

    What is better than `whole`, a network that was trained before, is so by the noise of the evaluation: the dial's
    accurate end would never give the user's network back.
    """
    return _beside(torch.tensor([1.0 - item.accuracy for item in evaluated]), evaluated, whole)


def losses(evaluated: Sequence[Evaluated], whole: Architecture | None = None) -> Tensor:
    """Return cross-entropies (n,) as the dial sees them; see `errors`."""
    return _beside(torch.tensor([item.loss for item in evaluated]), evaluated, whole)


def _beside(values: Tensor, evaluated: Sequence[Evaluated], whole: Architecture | None) -> Tensor:
    places = [place for place, item in enumerate(evaluated) if item.architecture == whole]
    if not places:
        return values
    least = float(values[places[0]])
    values = values.clamp_min(least + PREFERENCE)
    values[places] = least
    return values


class Evaluator:
    """Measures architectures of one supernet.

    Attributes:
        calibration: images (n, c, h, w), normalised, for BatchNorm.
        images, labels: validation images (v, c, h, w), normalised, and labels (v,).
        task: says how good outputs are, and how wrong.
    """

    def __init__(
        self,
        network: Supernet,
        calibration: Tensor,
        images: Tensor,
        labels: Tensor,
        task: Task,
        batch_size: int = 500,
    ) -> None:
        self.network, self.task = network, task
        self.calibration, self.images, self.labels = calibration, images, labels
        self.batch_size = batch_size

    def __call__(self, architecture: Architecture) -> Evaluated:
        """Return `architecture` with its accuracy and loss; the supernet's BatchNorm statistics may then be its."""
        # As it came: its statistics are of many more images, and its weights may have been tuned since for others.
        if isinstance(self.network, Pretrained) and architecture == self.network.whole:
            whole = self.network.untouched().to(self.images.device)
            return Evaluated(architecture, *self._judged(whole.eval()))
        weights = self.network.space.one_hot(architecture)
        return Evaluated(architecture, *self._under(weights))

    def relaxed(self, weights: Tensor) -> float:
        """Return the accuracy of the supernet under option weights (m, k) that need not be one-hot."""
        return self._under(weights)[0]

    def _under(self, weights: Tensor) -> tuple[float, float]:
        def forward(images: Tensor) -> Tensor:
            result: Tensor = self.network(images, weights)
            return result

        recalibrate(self.network, forward, self.calibration.split(self.batch_size))
        return self._judged(forward)

    @torch.no_grad()
    def _judged(self, forward: Callable[[Tensor], Tensor]) -> tuple[float, float]:
        outputs = torch.cat([forward(batch).float() for batch in self.images.split(self.batch_size)])
        seen, score = (self.images, self.labels), self.task.score()
        score.add(outputs, seen)
        # To the precision of a mean in float32, which archives have always had.
        return float(torch.tensor(score.value())), float(self.task.loss(outputs, seen))
