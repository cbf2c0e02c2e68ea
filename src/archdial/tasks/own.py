"""Custom tasks: how a batch becomes inputs, a loss, and a score."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import UsageError, reason
from archdial.data.split import Batch
from archdial.data.takes import moved
from archdial.tasks.measure import Measure
from archdial.tasks.parts import LOSS, asked
from archdial.tasks.scores import MeanScore, MetricScore
from archdial.tasks.task import Outputs, Score, Task, tensors_in

Loss = Callable[[Outputs, Batch], Tensor]


class OwnTask(Task):
    """A custom task: functions of outputs and batch.

    Args:
        loss: (outputs, batch) → tensor (), to be minimised; the batch's tensors are on the device of the outputs. None
            where the network returns its own: gates(model, batch, outputs=("loss", …)), with labels in the batch.
        score: a torchmetrics metric, updated with (outputs, target), or (outputs, batch) → number, averaged over the
            examples; by default the loss, where less is better.
        inputs: batch → what the network takes; by default all but the target (see `Task`).
        target: batch → what a metric is updated with besides the outputs; by default the last part, or the entry
            named labels.
        higher_is_better: direction of the score; by default as the metric says, else higher.
        best: the score without mistakes: 1 by default, or 0 if lower is better.
        share: the score is in [0, 1] and is displayed in %.
        name: name of the score; by default that of the metric or function.
        chance: the score of guessing, if known.
        apart: (outputs, teacher's outputs) → tensor (), the distance in distillation; by default squares.

    Raises:
        UsageError: the loss is not a function, or the score is neither a metric nor a function.
    """

    def __init__(
        self,
        loss: Loss | None = None,
        score: Any = None,
        *,
        inputs: Callable[[Batch], Any] | None = None,
        target: Callable[[Batch], Any] | None = None,
        higher_is_better: bool | None = None,
        best: float | None = None,
        share: bool = False,
        name: str | None = None,
        chance: float | None = None,
        apart: Callable[[Outputs, Outputs], Tensor] | None = None,
    ) -> None:
        self.returned = loss is None
        loss = loss or _returned
        check_loss(loss)
        if not (score is None or callable(score)):
            raise UsageError(
                f"score is {type(score).__name__}, expected a metric of torchmetrics or a function (outputs, batch)"
            )
        self._loss, self._score, self._inputs, self._apart = loss, score, inputs, apart
        self._target, self._chance = target or asked, chance
        higher = _direction(score) if higher_is_better is None else higher_is_better
        ideal = (1.0 if higher else 0.0) if best is None else best
        self.measure = Measure(name or _name(score), higher_is_better=higher, best=ideal, share=share)

    @property
    def chance(self) -> float | None:
        """The score of guessing, as passed."""
        return self._chance

    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Any:
        """Return what the network takes for `batch`, on `device`."""
        if self._inputs is None and not self.returned:
            return super().inputs(batch, device)
        found = batch if self._inputs is None else self._inputs(batch)
        return moved(dict(found) if isinstance(found, Mapping) else found, device)

    def target(self, batch: Batch) -> Any:
        """Return the target of `batch`."""
        return self._target(batch)

    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the custom loss ()."""
        return own_loss(self._loss, outputs, batch)

    def score(self) -> Score:
        """Return a score without any input yet."""
        if _is_metric(self._score):
            return MetricScore(lambda *_: self._score.clone(), self._parts)
        function = self._loss if self._score is None else self._score

        def scored(outputs: Outputs, batch: Batch) -> Any:
            with _taking_both("score"):
                return torch.as_tensor(function(outputs, _beside(outputs, batch)))

        return MeanScore(scored, self.size)

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return the custom distance (), or by default that of squares."""
        pair = self._judged(outputs), self._judged(taught)
        return super().apart(*pair, temperature) if self._apart is None else self._apart(*pair)

    def _parts(self, outputs: Outputs, batch: Batch) -> tuple[Any, Any]:
        return self._judged(outputs), self._target(batch)

    def _judged(self, outputs: Outputs) -> Outputs:
        """Return the outputs but for a loss that the network returned; of one beside it the tensor itself."""
        if not self.returned:
            return outputs
        rest = {name: value for name, value in outputs.items() if name != LOSS}
        return next(iter(rest.values())) if len(rest) == 1 else rest


def _returned(outputs: Outputs, batch: Batch) -> Tensor:
    """Return the loss that a network gave with its outputs."""
    if not isinstance(outputs, Mapping) or LOSS not in outputs:
        raise UsageError(
            'the network returns no loss: capture it with gates(model, batch, outputs=("loss", "logits")), with labels '
            "in the batch, or pass Task(loss=…)"
        )
    found: Tensor = outputs[LOSS]
    return found


def check_loss(loss: object) -> None:
    """Raise UsageError unless `loss` is a function."""
    if not callable(loss):
        raise UsageError(f"loss is {type(loss).__name__}, expected a function (outputs, batch) → tensor")


def own_loss(loss: Loss, outputs: Outputs, batch: Batch) -> Tensor:
    """Return what the user's `loss` gives, ().

    Raises:
        UsageError: it is no tensor of one number, or the function takes something else.
    """
    with _taking_both("loss"):
        found = loss(outputs, _beside(outputs, batch))
    if not isinstance(found, Tensor) or found.numel() != 1:
        shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise UsageError(f"the loss is {shape}, expected a scalar tensor: take its mean")
    return found.reshape(())


@contextmanager
def _taking_both(what: str) -> Iterator[None]:
    """Let an error within say what the user's function is called with: most are a loss of (outputs, target)."""
    try:
        yield
    except (AttributeError, TypeError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        raise UsageError(
            f"the {what} is called with (outputs, batch), and raised {reason(error)}: pass, for example, "
            f"lambda outputs, batch: {what}(outputs, batch[1])"
        ) from error


def _beside(outputs: Outputs, batch: Batch) -> Batch:
    """Return `batch` on the device of the outputs."""
    found = tensors_in(outputs)
    return moved(batch, found[0].device) if found and found[0].device.type != "cpu" else batch


def _is_metric(score: Any) -> bool:
    return all(hasattr(score, name) for name in ("update", "compute", "reset"))


def _direction(score: Any) -> bool:
    if score is None:
        return False
    said = getattr(score, "higher_is_better", None)
    return True if said is None else bool(said)


def _name(score: Any) -> str:
    if score is None:
        return "loss"
    found = type(score).__name__ if _is_metric(score) else getattr(score, "__name__", "score")
    return "score" if found == "<lambda>" else str(found)
