"""Imitation without labels: the untouched network's outputs are the target, and agreement is the score."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError
from archdial.data.split import Batch
from archdial.data.takes import moved
from archdial.tasks.calls import called
from archdial.tasks.measure import Measure
from archdial.tasks.parts import seen
from archdial.tasks.scores import MeanScore
from archdial.tasks.task import Outputs, Score, Task, tensors_in, variance_left


class Imitated(NamedTuple):
    """A batch with what the teacher gives for it."""

    batch: Batch
    outputs: Outputs


class Imitation(Task):
    """Inputs alone, or with targets that are ignored; the original network is the teacher.

    The loss is the squared distance from the teacher's outputs over their variance; the score, agreement, is 1 minus
    that: 1 if they are equal, 0 if only their mean is right.

    Args:
        labelled: batches are (inputs, target), and the target is ignored; otherwise, the whole batch is inputs.
        teacher: the network to imitate; a search sets it to the original network.

    `loss` raises UsageError if there is no teacher, as with cells.
    """

    measure = Measure("agreement", share=False)
    imitates = True

    def __init__(self, labelled: bool = False, teacher: nn.Module | None = None) -> None:
        self.labelled, self.teacher = labelled, teacher

    @property
    def chance(self) -> float:
        """The agreement of the mean of all outputs: 0."""
        return 0.0

    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Any:
        """Return what the network takes for `batch`, on `device`."""
        batch = _plain(batch)
        whole = tuple(batch) if isinstance(batch, list) else batch
        if not self.labelled and isinstance(whole, tuple) and len(whole) == 1:
            whole = whole[0]
        return moved(seen(batch) if self.labelled else whole, device)

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return Σ (outputs − teacher's)² over the variance of the teacher's, ()."""
        device = tensors_in(outputs)[0].device
        wanted = moved(batch.outputs, device) if isinstance(batch, Imitated) else self._taught(batch, device)
        return variance_left(outputs, wanted)

    def size(self, batch: Batch) -> int:
        """Return the number of examples in `batch`."""
        return super().size(_plain(batch))

    def prepared(self, batch: Batch) -> Batch:
        """Return `batch` with the teacher's outputs, on its device: the teacher runs once for all architectures."""
        first = next(self._known().parameters(), None)
        return Imitated(batch, self._taught(batch, torch.device("cpu") if first is None else first.device))

    def score(self) -> Score:
        """Return an agreement without any input yet: the mean over batches, weighted by their sizes."""
        return MeanScore(lambda outputs, batch: 1 - self.loss(outputs, batch), self.size)

    def taught(self, teacher: nn.Module | None) -> Task:
        """Return the task with `teacher`."""
        return Imitation(self.labelled, teacher)

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return the same distance () from the teacher's outputs `taught`."""
        return variance_left(outputs, taught)

    @torch.no_grad()
    def _taught(self, batch: Batch, device: torch.device) -> Outputs:
        return called(self._known(), self.inputs(batch, device))

    def _known(self) -> nn.Module:
        if self.teacher is None:
            raise UsageError(
                "nothing to imitate: Imitation needs a pretrained network, gates(model, example); cells have none"
            )
        return self.teacher


def _plain(batch: Batch) -> Batch:
    return batch.batch if isinstance(batch, Imitated) else batch
