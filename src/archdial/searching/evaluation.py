"""The score of architectures with inherited weights, with BatchNorm recalibrated for each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from archdial.data.split import Batch
from archdial.data.takes import bytes_of
from archdial.networks.pretrained import Pretrained
from archdial.networks.statistics import recalibrate
from archdial.networks.supernet import Supernet
from archdial.space import Architecture
from archdial.tasks.calls import called
from archdial.tasks.measure import Measure
from archdial.tasks.task import Task
from archdial.training.told_batches import told_batch


class Judged(Protocol):
    """An architecture of which something is known: what fronts, predictors and dials go by."""

    @property
    def architecture(self) -> Architecture:
        """Which one."""

    @property
    def error(self) -> float:
        """How far it is from the best score."""

    @property
    def merit(self) -> float:
        """Its score such that higher is better."""


@dataclass(frozen=True)
class Evaluated:
    """An architecture with what was measured of it on validation data.

    Attributes:
        score: how good it is, by `measure`.
        loss: the mean of the task's.
        judged: the score that all views of it together speak for, in a search that has several; see `views`.
    """

    architecture: Architecture
    score: float
    loss: float
    measure: Measure = field(repr=False, compare=False)
    judged: float | None = field(default=None, compare=False)

    @property
    def believed(self) -> float:
        """The score that it is compared by: as judged, else as measured."""
        return self.score if self.judged is None else self.judged

    @property
    def accuracy(self) -> float:
        """The score, as classification calls it."""
        return self.score

    @property
    def error(self) -> float:
        """How far it is believed to be from the best score."""
        return self.measure.error(self.believed)

    @property
    def merit(self) -> float:
        """The score that it is believed to deserve, such that higher is better."""
        return self.measure.merit(self.believed)

    def row(self) -> list[Any]:
        """Return it as files hold it: options, score, loss."""
        return [list(self.architecture.options), self.score, self.loss]


PREFERENCE = 1e-3
"""By how much an architecture loses at least against the whole network it was cut from, as the dial sees it."""


def errors(evaluated: Sequence[Judged], whole: Architecture | None = None) -> Tensor:
    """Return errors (n,) as the dial sees them.

    What is better than `whole`, a network that was trained before, is so by the noise of the evaluation: the dial's
    accurate end would never give the user's network back.
    """
    return _beside(torch.tensor([item.error for item in evaluated]), evaluated, whole)


def losses(evaluated: Sequence[Evaluated], whole: Architecture | None = None) -> Tensor:
    """Return losses (n,) as the dial sees them; see `errors`."""
    return _beside(torch.tensor([item.loss for item in evaluated]), evaluated, whole)


def _beside(values: Tensor, evaluated: Sequence[Judged], whole: Architecture | None) -> Tensor:
    places = [place for place, item in enumerate(evaluated) if item.architecture == whole]
    if not places:
        return values
    least = float(values[places[0]])
    values = values.clamp_min(least + PREFERENCE)
    values[places] = least
    return values


EVALUATED = 500
"""Examples that are evaluated at once, where batches are made here."""
_KEPT = 2**30
"""Bytes of inputs that are kept from one architecture to the next; more are read again for each."""


class Examples:
    """Inputs of a network beside the batches that they are of, always the same.

    Args:
        batches: returns them from the first on.
        inputs: what the network takes for a batch.
        prepared: the batch as outputs are judged by it; see `Task.prepared`.
    """

    def __init__(
        self,
        batches: Callable[[], Iterable[Batch]],
        inputs: Callable[[Batch], Any],
        prepared: Callable[[Batch], Batch],
    ) -> None:
        self._batches, self._inputs, self._prepared = batches, inputs, prepared
        self._kept: list[tuple[Any, Batch]] | None = None

    def __iter__(self) -> Iterator[tuple[Any, Batch]]:
        """Yield inputs and batch."""
        if self._kept is not None:
            yield from self._kept
            return
        kept: list[tuple[Any, Batch]] = []
        room = _KEPT
        for batch in self._batches():
            found = self._inputs(batch), self._prepared(batch)
            room -= bytes_of(found)
            if room >= 0:
                kept.append(found)
            yield found
        if room >= 0:
            self._kept = kept


class Evaluator:
    """Measures architectures of one supernet.

    Attributes:
        calibration: inputs (n, …) for BatchNorm.
        examples: validation inputs with their batches.
        task: says how good outputs are, and how wrong.
    """

    def __init__(
        self,
        network: Supernet,
        calibration: Sequence[Any],
        examples: Iterable[tuple[Any, Batch]],
        task: Task,
    ) -> None:
        self.network, self.task = network, task
        self.calibration, self.examples = calibration, examples
        self._whole: Evaluated | None = None

    def __call__(self, architecture: Architecture) -> Evaluated:
        """Return `architecture` with its score and loss; the supernet's BatchNorm statistics may then be its."""
        # As it came: its statistics are of many more images, and its weights may have been tuned since for others.
        if isinstance(self.network, Pretrained) and architecture == self.network.whole:
            # Once: whatever is trained, it stays what it is.
            self._whole = self._whole or self._untouched(self.network)
            return self._whole
        if isinstance(self.network, Pretrained) and self.network.readout:
            # As it would be built: its last layers have weights that the supernet lacks.
            judged = self._by(self.network.build(architecture, self.calibration))
        else:
            judged = self._under(self.network.space.one_hot(architecture))
        return Evaluated(architecture, *judged, self.task.measure)

    def on(self, network: Supernet) -> Evaluator:
        """Return an evaluator of `network`, a copy of this one's, on the same data."""
        other = copy.copy(self)
        other.network = network
        return other

    def relaxed(self, weights: Tensor) -> float:
        """Return the score of the supernet under option weights (m, k) that need not be one-hot."""
        return self._under(weights)[0]

    def _untouched(self, network: Pretrained) -> Evaluated:
        return Evaluated(network.whole, *self._by(network.untouched()), self.task.measure)

    def _by(self, module: nn.Module) -> tuple[float, float]:
        module = module.eval().to(_device_of(self.network))
        return self._judged(lambda inputs: called(module, inputs))

    def _under(self, weights: Tensor) -> tuple[float, float]:
        def forward(inputs: Any) -> Any:
            return self.network(inputs, weights)

        recalibrate(self.network, forward, self.calibration)
        return self._judged(forward)

    @torch.no_grad()
    def _judged(self, forward: Callable[[Any], Any]) -> tuple[float, float]:
        score, loss, count = self.task.score(), 0.0, 0
        for number, (inputs, batch) in enumerate(self.examples):
            with told_batch(batch, f"batch {number} of the validation data"):
                outputs = in_single_precision(forward(inputs))
                # First: it tells better what does not fit.
                own = float(self.task.loss(outputs, batch))
                score.add(outputs, batch)
                size = self.task.size(batch)
            loss, count = loss + size * own, count + size
        # To the precision of a mean in float32, which archives have always had.
        return float(torch.tensor(score.value())), loss / count


def in_single_precision(outputs: Any) -> Any:
    """Return `outputs` as float32, whatever precision the network ran in."""

    def single(one: Any) -> Any:
        return one.float() if isinstance(one, Tensor) and one.is_floating_point() else one

    return single(outputs) if isinstance(outputs, Tensor) else pytree.tree_map(single, outputs)


def _device_of(network: nn.Module) -> torch.device:
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
