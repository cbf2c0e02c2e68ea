"""A gate: operations that are kept or dropped together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import fx

from archdial.networks.graph.choices.choice import DROPPED, GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.space import Choice

KEEP, DROP = "keep", "drop"
OPTIONS = (KEEP, DROP)


@dataclass(frozen=True)
class Gate(GraphChoice):
    """Operations that are kept or dropped together."""

    name: str
    operations: tuple[Operation, ...]

    @property
    def kind(self) -> str:
        """The kind of the operations; of several kinds that of the first."""
        return self.operations[0].kind

    @property
    def choice(self) -> Choice:
        """Keep or drop, as a choice of a space."""
        return Choice(self.name, OPTIONS, (self.kind, DROPPED))

    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Gate:
        """Return it as it stands on the `copies` of its nodes."""
        return replace(self, operations=tuple(operation.moved(copies) for operation in self.operations))

    @property
    def meaning(self) -> str:
        """What dropping it means: identity or zero."""
        return "/".join(dict.fromkeys(operation.meaning for operation in self.operations))
