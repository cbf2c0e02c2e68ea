"""What a baseline is, and who judges its architectures: the same images and statistics for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch

from archdial.family import Family
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture


class Judge:
    """Evaluates architectures until a budget of evaluations is used up; what it saw before costs nothing.

    Attributes:
        seen: what was evaluated, in that order.
        left: evaluations that may still be asked for.
    """

    def __init__(
        self,
        evaluate: Callable[[Architecture], Evaluated],
        budget: int,
        advance: Callable[[], None] = lambda: None,
    ) -> None:
        self._evaluate, self._advance = evaluate, advance
        self.left = budget
        self.seen: dict[Architecture, Evaluated] = {}

    def __call__(self, architecture: Architecture) -> Evaluated:
        """Return `architecture` with its accuracy on validation images.

        Raises:
            RuntimeError: the budget is used up.
        """
        if architecture not in self.seen:
            if self.left < 1:
                raise RuntimeError("no evaluation is left: a baseline looks at `left` before it asks")
            self.left -= 1
            self.seen[architecture] = self._evaluate(architecture)
            self._advance()
        return self.seen[architecture]


class Baseline(ABC):
    """A way to find members that knows no dial.

    Attributes:
        chooses: whether accuracy on validation images decides which of what it saw are its members; else all are, and
            at a budget it has the slowest of them within it.
        needs: a library that the extra `baselines` brings; empty if none.
    """

    name: ClassVar[str]
    chooses: ClassVar[bool] = True
    needs: ClassVar[str] = ""

    @abstractmethod
    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Ask `judge` for architectures of `family`, until it or the budget is done; what was seen is the result."""
