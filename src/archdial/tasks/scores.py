"""Scores from a torchmetrics metric, or from any function of outputs and batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from archdial.data.split import Batch
from archdial.tasks.task import Outputs, Score

Metric = Any
"""A metric of torchmetrics: it has update, compute and reset."""


class MetricScore(Score):
    """A metric of torchmetrics, on the CPU.

    Args:
        make: makes the metric for the first outputs and target that come, as it may want to know how many classes.
        parts: returns what the metric's update takes of outputs and batch.
    """

    def __init__(
        self,
        make: Callable[[Any, Any], Metric],
        parts: Callable[[Outputs, Batch], tuple[Any, Any]],
    ) -> None:
        self._make, self._parts = make, parts
        self._metric: Metric = None

    def add(self, outputs: Outputs, batch: Batch) -> None:
        """Update the metric."""
        found, wanted = (_on_cpu(part) for part in self._parts(outputs, batch))
        if self._metric is None:
            self._metric = self._make(found, wanted)
            self._metric.reset()
        self._metric.update(found, wanted)

    def value(self) -> float:
        """Return what the metric computes; of several numbers that come by name the first."""
        found = self._metric.compute()
        return float(next(iter(found.values())) if isinstance(found, dict) else found)


class MeanScore(Score):
    """The mean of a function of outputs and batch, by the number of examples.

    Args:
        function: returns a number, or a tensor of one or of one an example.
        size: of a batch.
    """

    def __init__(self, function: Callable[[Outputs, Batch], Any], size: Callable[[Batch], int]) -> None:
        self._function, self._size = function, size
        self._sum = self._count = 0.0

    def add(self, outputs: Outputs, batch: Batch) -> None:
        """Add the function's value, as often as there are examples."""
        size = self._size(batch)
        self._sum += size * float(torch.as_tensor(self._function(outputs, batch)).float().mean())
        self._count += size

    def value(self) -> float:
        """Return the mean."""
        return self._sum / self._count


def _on_cpu(value: Any) -> Any:
    return value.detach().cpu() if isinstance(value, Tensor) else value
