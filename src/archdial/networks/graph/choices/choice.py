"""The interface of choices on a captured network: their position, options, and effect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Self

from torch import Tensor, fx

from archdial.networks.graph.choices.droppable import Operation
from archdial.space import Choice

DROPPED = "dropped"
"""The kind of the option that runs nothing."""


class GraphChoice(ABC):
    """One choice on a captured network; its options go from the whole, which changes nothing, to the least.

    What costs under which options, what runs and what a built member has follow from `keeping` and `counts` alone.

    Attributes:
        name: unique within the network.
        operations: what does not run under some of its options; something else stands in for each of them.
    """

    name: str
    operations: tuple[Operation, ...]

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind of what it stands on, by which an operation-wise dial penalises."""

    @property
    @abstractmethod
    def choice(self) -> Choice:
        """It, as a choice of a space."""

    @property
    def keeping(self) -> frozenset[int]:
        """The options under which its operations run."""
        return frozenset(number for number, kind in enumerate(self.choice.kinds) if kind != DROPPED)

    @property
    def nodes(self) -> tuple[fx.Node, ...]:
        """The nodes of layers whose precision it settles."""
        return ()

    @property
    def groups(self) -> tuple[int, ...]:
        """Numbers of the width groups whose widths it settles."""
        return ()

    def counts(self, option: int) -> Mapping[int, int]:
        """Return how many units of each of `groups` are kept under an option by number."""
        return {}

    def kept_and_dropped(self, weights: Tensor) -> Tensor:
        """Return (2,): the weight with which its operations run, and that with which they do not, of weights (k,)."""
        return weights[:2]

    @abstractmethod
    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Self:
        """Return it as it stands on the `copies` of its nodes."""

    @property
    @abstractmethod
    def meaning(self) -> str:
        """What its least option makes of what it stands on, in a word or two."""
