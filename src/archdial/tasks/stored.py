"""The task of a stored family: how its scores are named; functions must be passed by the user."""

from __future__ import annotations

from typing import NoReturn

from torch import Tensor

from archdial.common.errors import UsageError
from archdial.data.split import Batch
from archdial.tasks.measure import Measure
from archdial.tasks.task import Outputs, Score, Task


class StoredTask(Task):
    """Says how scores are called and compared; who asks for a loss or a score is told how to pass the task."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Refuse."""
        self._refuse()

    def score(self) -> Score:
        """Refuse."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UsageError(
            f"this family was searched for a custom task scored by {self.measure.name}, and files store no "
            "functions: pass it again as task=… to archdial.load"
        )
