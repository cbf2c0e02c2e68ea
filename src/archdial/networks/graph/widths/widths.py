"""The widths of a captured network: groups of units, where they are, and each node at other widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from torch import fx

from archdial.networks.graph.widths import rewriting
from archdial.networks.graph.widths.places import Places


@dataclass(frozen=True)
class Widths(Places):
    """Which units there are to cut, and where they stand."""

    def arguments(self, node: fx.Node, counts: Sequence[int]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return args and kwargs of `node` where of group g the first counts[g] units are kept.

        Sizes, starts and numbers of groups are those of what stays; nodes among them stay nodes.
        """
        return rewriting.rewritten(self, node, counts)

    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Self:
        """Return the widths of a copy of the graph, whose nodes `copies` gives by those they were copied from."""

        def of_copies(known: Mapping[fx.Node, Any]) -> dict[fx.Node, Any]:
            return {copies[node]: one for node, one in known.items() if node in copies}

        return replace(
            self,
            axes=of_copies(self.axes),
            held=of_copies(self.held),
            contracted=of_copies(self.contracted),
            shapes=of_copies(self.shapes),
            _touched={},
        )
