"""Regression and forecasting: numbers as targets, and squared errors as the loss."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError, unknown
from archdial.common.libraries import imported
from archdial.data.split import Batch
from archdial.tasks.measure import Measure
from archdial.tasks.parts import asked_tensor
from archdial.tasks.scores import MetricScore
from archdial.tasks.task import Outputs, Score, Task, alone

ScoreName = Literal["MAE", "RMSE", "R2"]
_LOWER_IS_BETTER = {"MAE": "MeanAbsoluteError", "RMSE": "MeanSquaredError"}


class Regression(Task):
    """Targets with the shape of the outputs, such as one number per input or a whole forecast.

    Args:
        score: MAE, RMSE or R2 (the fraction of explained variance, over all numbers together).

    Raises:
        UsageError: there is no such score; later, if targets and outputs differ in shape, or torchmetrics is missing.
    """

    def __init__(self, score: ScoreName = "MAE") -> None:
        if score in _LOWER_IS_BETTER:
            self.measure = Measure(score, higher_is_better=False, best=0.0, share=False)
        elif score == "R2":
            self.measure = Measure(score, share=False)
        else:
            raise unknown("score", score, [*_LOWER_IS_BETTER, "R2"])

    @property
    def chance(self) -> float | None:
        """The score of the mean: 0 for R2, unknown for errors."""
        return 0.0 if self.measure.name == "R2" else None

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the mean squared error ().

        Raises:
            UsageError: targets and outputs differ in shape.
        """
        found, wanted = _alike(outputs, batch)
        return functional.mse_loss(found, wanted.to(found.device))

    def score(self) -> Score:
        """Return a score without any input yet."""
        metrics = imported("torchmetrics", f"the score {self.measure.name}", "scores")

        def make(found: Any, wanted: Any) -> Any:
            if self.measure.name == "R2":
                return metrics.R2Score()
            options = {"squared": False} if self.measure.name == "RMSE" else {}
            return getattr(metrics, _LOWER_IS_BETTER[self.measure.name])(**options)

        return MetricScore(make, lambda outputs, batch: tuple(one.flatten() for one in _alike(outputs, batch)))  # type: ignore[arg-type,return-value]


def _alike(outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return outputs and target, which have one shape but for a last dimension of 1."""
    found = alone(outputs)
    wanted = asked_tensor(batch).to(found.dtype)
    if found.shape != wanted.shape and found.shape == (*wanted.shape, 1):
        found = found.squeeze(-1)
    if found.shape != wanted.shape:
        raise UsageError(
            f"targets of shape {tuple(wanted.shape)} for outputs {tuple(found.shape)}: expected the same shape"
        )
    return found, wanted
