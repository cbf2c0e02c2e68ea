"""The interface of training steps, and phases of steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch

from archdial.common.limits import CountOrNone
from archdial.common.validation import conforming

Figures = dict[str, float]
"""What a step or an epoch reports, by name."""

S = TypeVar("S")
"""The state of a training: everything that its steps change."""


class Step(ABC, Generic[S]):
    """One kind of step. The loop asks for the batches of an epoch, takes a step with each, and closes the epoch."""

    name: ClassVar[str]

    @abstractmethod
    def count(self, state: S) -> int:
        """Return the number of steps of an epoch."""

    @abstractmethod
    def batches(self, state: S, order: torch.Generator, start: int) -> Iterator[Any]:
        """Return what an epoch's steps work on, from number `start` on; `order` draws the same order each time."""

    @abstractmethod
    def __call__(self, state: S, batch: Any, progress: float) -> Figures:
        """Take one step; `progress` in [0, 1) tells how much of all epochs of this kind is over.

        A figure called `loss` that is not finite ends the run.
        """

    def close(self, state: S, progress: float) -> Figures:
        """Do what is due at the end of an epoch, `progress` in (0, 1]."""
        return {}


@dataclass(frozen=True)
class Phase(Generic[S]):
    """One kind of step for a number of epochs."""

    step: Step[S]
    epochs: int


@dataclass(frozen=True)
class Place:
    """Where a run stands: the next batch of an epoch of a phase."""

    phase: CountOrNone = 0
    epoch: CountOrNone = 0
    batch: CountOrNone = 0

    @classmethod
    def of(cls, value: object) -> Self:
        """Return the place that `to_json` wrote.

        Raises:
            UsageError: it is none.
        """
        return cls(*conforming(tuple[CountOrNone, CountOrNone, CountOrNone], value, "place"))

    def to_json(self) -> list[int]:
        """Return the place as checkpoints have it."""
        return [self.phase, self.epoch, self.batch]
