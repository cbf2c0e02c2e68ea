"""What every task says; nothing else in the house knows of labels, cross-entropy or accuracy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from archdial.tasks.measure import Measure

Batch = tuple[Tensor, Tensor]
"""What is seen and what is asked for, as data give them."""


class Score(ABC):
    """How good outputs are, over any number of batches."""

    @abstractmethod
    def add(self, outputs: Tensor, batch: Batch) -> None:
        """Take the `outputs` for `batch` into account."""

    @abstractmethod
    def value(self) -> float:
        """Return the score of all that was added."""


class Task(ABC):
    """What a network is for.

    Attributes:
        measure: how its scores are called and compared.
    """

    measure: ClassVar[Measure]

    @abstractmethod
    def inputs(self, batch: Batch, device: torch.device, varied: torch.Generator | None = None) -> Tensor:
        """Return what the network takes for `batch`, on `device`; varied at random by a generator, for training."""

    def example(self, batch: Batch) -> Tensor:
        """Return what the network takes for the first of `batch`, on the CPU."""
        return self.inputs((batch[0][:1], batch[1][:1]), torch.device("cpu"))

    @abstractmethod
    def loss(self, outputs: Tensor, batch: Batch, smoothing: float = 0.0) -> Tensor:
        """Return how wrong `outputs` are, (), to be descended.

        Args:
            smoothing: share of what is asked for that is spread over everything else, for training.
        """

    @abstractmethod
    def score(self) -> Score:
        """Return a score that nothing was added to."""

    @property
    def chance(self) -> float | None:
        """The score of guessing; None where nobody can tell."""
        return None

    @abstractmethod
    def apart(self, outputs: Tensor, taught: Tensor, temperature: float) -> Tensor:
        """Return how far `outputs` are from a teacher's, (); `temperature` softens both."""
