"""What every step of a search looks like to the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import torch

from archdial.searching.state import SearchState

Figures = dict[str, float]
"""What a step or an epoch reports, by name."""


class Step(ABC):
    """One kind of step. The loop asks for the batches of an epoch, takes a step with each, and closes the epoch."""

    name: ClassVar[str]

    @abstractmethod
    def count(self, state: SearchState) -> int:
        """Return the number of steps of an epoch."""

    @abstractmethod
    def batches(self, state: SearchState, order: torch.Generator, start: int) -> Iterator[Any]:
        """Return what an epoch's steps work on, from number `start` on; `order` draws the same order each time."""

    @abstractmethod
    def __call__(self, state: SearchState, batch: Any, progress: float) -> Figures:
        """Take one step; `progress` in [0, 1) tells how much of all epochs of this kind is over.

        A figure called `loss` that is not finite ends the run.
        """

    def close(self, state: SearchState, progress: float) -> Figures:
        """Do what is due at the end of an epoch, `progress` in (0, 1]."""
        return {}
