"""The interface of splits: batches in an order that a resumed run repeats, and the first examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch

Batch = Any
"""What is seen and what is asked for, as data give them: a tuple, a mapping, or a tensor that has no target."""


class Split(ABC):
    """The batches of one split."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many examples, or batches, there are: equal for equal data."""

    @property
    def examples_told(self) -> int | None:
        """How many examples there are; None where nobody tells."""
        return len(self)

    @abstractmethod
    def count(self, size: int) -> int:
        """Return the number of batches of an epoch of training, at least 1; `size` is asked of what makes its own."""

    @abstractmethod
    def shuffled(self, size: int, order: torch.Generator, start: int = 0) -> Iterator[Batch]:
        """Return the batches of an epoch of training, from number `start` on; `order` draws the same epoch again."""

    @abstractmethod
    def in_order(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Return batches of the first `limit` examples, or of all, always the same."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """What is equal for equal data, as far as that can be told without reading all of them."""
