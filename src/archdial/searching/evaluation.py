"""The score of architectures with inherited weights, BatchNorm recalibrated for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from archdial.networks.pretrained import Pretrained
from archdial.networks.statistics import recalibrate
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from archdial.tasks.measure import Measure
from archdial.tasks.task import Task


@dataclass(frozen=True)
class Evaluated:
    """An architecture with what was measured of it on validation data.

    Attributes:
        score: how good it is, by `measure`.
        loss: the mean of the task's.
    """

    architecture: Architecture
    score: float
    loss: float
    measure: Measure = field(repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """The score, as classification calls it."""
        return self.score

    @property
    def error(self) -> float:
        """How far it is from the best score."""
        return self.measure.error(self.score)

    @property
    def merit(self) -> float:
        """Its score such that higher is better."""
        return self.measure.merit(self.score)

    def row(self) -> list[Any]:
        """Return it as files hold it: options, score, loss."""
        return [list(self.architecture.options), self.score, self.loss]


PREFERENCE = 1e-3
"""By how much an architecture loses at least against the whole network it was cut from, as the dial sees it."""


def errors(evaluated: Sequence[Evaluated], whole: Architecture | None = None) -> Tensor:
    """Return errors (n,) as the dial sees them.

    What is better than `whole`, a network that was trained before, is so by the noise of the evaluation: the dial's
    accurate end would never give the user's network back.
    """
    return _beside(torch.tensor([item.error for item in evaluated]), evaluated, whole)


def losses(evaluated: Sequence[Evaluated], whole: Architecture | None = None) -> Tensor:
    """Return losses (n,) as the dial sees them; see `errors`."""
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
        """Return `architecture` with its score and loss; the supernet's BatchNorm statistics may then be its."""
        # As it came: its statistics are of many more images, and its weights may have been tuned since for others.
        if isinstance(self.network, Pretrained) and architecture == self.network.whole:
            whole = self.network.untouched().to(self.images.device)
            return Evaluated(architecture, *self._judged(whole.eval()), self.task.measure)
        weights = self.network.space.one_hot(architecture)
        return Evaluated(architecture, *self._under(weights), self.task.measure)

    def relaxed(self, weights: Tensor) -> float:
        """Return the score of the supernet under option weights (m, k) that need not be one-hot."""
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
