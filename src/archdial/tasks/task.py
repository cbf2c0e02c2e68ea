"""The interface of tasks; nothing else in the code knows about labels, cross-entropy or accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from archdial.common.errors import UsageError
from archdial.data.split import Batch
from archdial.data.takes import moved, size_of, taken
from archdial.tasks.measure import Measure
from archdial.tasks.parts import asked, seen

Outputs = Any
"""What a network gives: a tensor, or a tuple or dict of them."""


class Score(ABC):
    """How good outputs are, over any number of batches."""

    @abstractmethod
    def add(self, outputs: Outputs, batch: Batch) -> None:
        """Take the `outputs` for `batch` into account."""

    @abstractmethod
    def value(self) -> float:
        """Return the score of all that was added."""


class Task(ABC):
    """What a network is for.

    Batches are what the data give: (inputs, target), (input, input, …, target), or a mapping with the network's inputs
    by name and a target under `labels`, `label`, `target` or `targets`.

    Attributes:
        measure: how its scores are named and compared.
        imitates: the outputs of the original network are the target.
    """

    measure: Measure
    imitates: bool = False

    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Any:
        """Return the network's inputs for `batch`, on `device`; with a generator, randomly augmented for training."""
        return moved(seen(batch), device)

    def target(self, batch: Batch) -> Any:
        """Return the target of `batch`."""
        return asked(batch)

    def size(self, batch: Batch) -> int:
        """Return the number of examples in `batch`."""
        return size_of(batch)

    def prepared(self, batch: Batch) -> Batch:
        """Return `batch` with everything slow computed once, for evaluating many architectures on it."""
        return batch

    def example(self, batch: Batch) -> Any:
        """Return the network's inputs (1, …) for the first example of `batch`, on the CPU."""
        return self.inputs(taken(batch, 1), torch.device("cpu"))

    @abstractmethod
    def loss(self, outputs: Outputs, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return the loss () of `outputs`, to be minimised.

        Args:
            outputs: the network's outputs for `batch`.
            batch: as the data give it.
            smoothing: fraction of the target that is spread over everything else, in training.

        Raises:
            UsageError: targets do not fit the outputs.
        """

    @abstractmethod
    def score(self) -> Score:
        """Return a score to which nothing was added yet."""

    @property
    def chance(self) -> float | None:
        """The score of guessing; None if unknown."""
        return None

    def chance_with(self, outputs: Outputs) -> float | None:
        """Return the score of guessing if it follows from a network's `outputs` and not from `chance`; else None."""
        return None

    def taught(self, teacher: nn.Module | None) -> Task:
        """Return the task with `teacher` as the original network; only a task that imitates it changes."""
        return self

    def apart(self, outputs: Outputs, taught: Outputs, temperature: float) -> Tensor:
        """Return the distance () of `outputs` from a teacher's: mean squares over the variance of the teacher's."""
        return variance_left(outputs, taught)


def alone(outputs: Outputs) -> Tensor:
    """Return the one tensor that `outputs` are, or their logits.

    Raises:
        UsageError: there are several.
    """
    if isinstance(outputs, Tensor):
        return outputs
    if isinstance(outputs, dict) and "logits" in outputs:
        return alone(outputs["logits"])
    tensors = tensors_in(outputs)
    if len(tensors) != 1:
        raise UsageError(
            f"the network returns {len(tensors)} tensors, but the task needs one: select the output with gates(…, "
            "outputs=…), or pass your own Task(loss=…, score=…)"
        )
    return tensors[0]


def tensors_in(outputs: Outputs) -> list[Tensor]:
    """Return all tensors in `outputs`, in order."""
    return [leaf for leaf in torch.utils._pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]


def divergence(outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
    """Return the mean divergence () of softened logits (n, classes) from a teacher's, times temperature².

    Hinton et al. (2015).
    """
    own, wanted = (torch.log_softmax(one / temperature, 1) for one in (outputs, taught))
    return functional.kl_div(own, wanted, log_target=True, reduction="batchmean") * temperature**2


def variance_left(outputs: Outputs, wanted: Outputs) -> Tensor:
    """Return Σ (outputs − wanted)² / Σ (wanted − its mean)², (), over all tensors: 0 for equal ones."""
    found = [
        functional.mse_loss(own.float(), other.float()) / other.float().var(correction=0).clamp_min(1e-12)
        for own, other in zip(tensors_in(outputs), tensors_in(wanted), strict=True)
    ]
    return torch.stack(found).mean()
