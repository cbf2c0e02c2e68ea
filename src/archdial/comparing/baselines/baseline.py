"""The interface of baselines, and their evaluation: the same images and statistics for all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from archdial.common.progress import Bar, NoBar
from archdial.data.split import Split
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.networks.pretrained import whole_of
from archdial.searching.candidates import front
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture
from archdial.training.settings import TrainSettings


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
        """Return `architecture` with its score on validation images.

        Raises:
            RuntimeError: the budget is used up.
        """
        if architecture not in self.seen:
            if self.left < 1:
                raise RuntimeError("no evaluations left: a baseline must check `left` before it evaluates")
            self.left -= 1
            self.seen[architecture] = self._evaluate(architecture)
            self._advance()
        return self.seen[architecture]


@dataclass(frozen=True)
class School:
    """What baselines train networks of their own with, as the search trained its own.

    Attributes:
        judged: how many of the validation examples judge them.
        settings: `epochs` of it are for all networks of a baseline together.
    """

    weights: Split
    validation: Split
    judged: int
    settings: TrainSettings
    bar: Bar | NoBar


@dataclass(frozen=True)
class Case:
    """What a baseline is to find members for, and with; without a school none that trains can be asked."""

    family: Family
    judge: Judge
    generator: torch.Generator
    school: School | None = None


class Baseline(ABC):
    """A way to find members that knows no dial.

    Attributes:
        chooses: whether the score on validation images decides which of what it saw are its members; else all are, and
            at a budget it has the slowest of them within it.
        trains: whether it trains networks of its own, which takes about as long as the search.
        needs: a library that the extra `baselines` brings; empty if none.
    """

    name: ClassVar[str]
    chooses: ClassVar[bool] = True
    trains: ClassVar[bool] = False
    needs: ClassVar[str] = ""

    @abstractmethod
    def members(self, case: Case) -> list[Member]:
        """Return what it found, cheapest first, with scores on validation images."""


class Search(Baseline):
    """A baseline that evaluates architectures of the family's supernet."""

    def members(self, case: Case) -> list[Member]:
        """Search, and return the front of what was seen, or all of it."""
        self.search(case.family, case.judge, case.generator)
        seen = list(case.judge.seen.values())
        return front_of(case.family, seen) if self.chooses else by_cost(case.family, seen)

    @abstractmethod
    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Ask `judge` for architectures of `family`, until it or the budget is done; what was seen is the result."""


def full_architecture(family: Family) -> Architecture:
    """Return the network as it came, or of cells the most expensive architecture."""
    return whole_of(family.network) or family.costs[family.column].extremes()[1]


def front_of(family: Family, seen: Sequence[Evaluated]) -> list[Member]:
    """Return as members what of `seen` no other beats in both score and cost, cheapest first."""
    return [_member(family, item) for item in front(seen, family.costs[family.column])]


def by_cost(family: Family, seen: Sequence[Evaluated]) -> list[Member]:
    """Return `seen` as members, cheapest first."""
    cost = family.costs[family.column]
    return [_member(family, item) for item in sorted(seen, key=lambda item: cost.of(item.architecture))]


def _member(family: Family, item: Evaluated) -> Member:
    return replace(family.member(item.architecture), score=item.score, score_from="measured")
