"""What finding a member within budgets needs from a family."""

from __future__ import annotations

from typing import Protocol

from archdial.families.chooser import Chooser
from archdial.families.member import Member, Parent
from archdial.space import Architecture


class Answers(Parent, Protocol):
    """A family, as far as it takes to answer."""

    @property
    def chooser(self) -> Chooser:
        """Who chooses among its architectures."""

    @property
    def residuals(self) -> tuple[float, ...]:
        """Errors of its table on whole networks; see `cost.table.margin`."""

    def member(self, architecture: Architecture, dial: float | list[float] | None = None) -> Member:
        """Return `architecture` as a member."""

    def position_of(self, architecture: Architecture) -> float | list[float]:
        """Return the dial position at which the hypernetwork considers `architecture` most likely."""
