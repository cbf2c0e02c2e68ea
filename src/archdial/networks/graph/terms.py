"""The terms of a gated network's cost: what runs under which choices, as entries over those that decide together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn

from archdial.networks.graph.capture.capture import BATCH, Flow
from archdial.networks.graph.choices.gates import DROP, KEEP, OPTIONS
from archdial.networks.graph.need import Condition, Needs, runs
from archdial.networks.graph.pricing import part_of
from archdial.networks.supernet import Part, TermPlan
from archdial.space import EITHER

REST = "parameters outside of operations"


class Rest(nn.Module):
    """Holds parameters that no priced node owns, and does nothing."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.held = nn.ParameterList(parameters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the input."""
        return inputs


@dataclass(frozen=True)
class _Piece:
    """What a node may run: under each condition the part, finest first; the first that holds counts."""

    cases: tuple[tuple[Condition, Part], ...]

    @property
    def rows(self) -> frozenset[int]:
        """Choices on which it depends."""
        return frozenset().union(*(term for condition, _ in self.cases for term in condition))

    @property
    def parameters(self) -> set[nn.Parameter]:
        """Those of its module, whatever its grain."""
        return {parameter for _, part in self.cases for parameter in part.module.parameters()}


def term_plans(root: nn.Module, flow: Flow, needs: Mapping[fx.Node, Needs], names: Sequence[str]) -> list[TermPlan]:
    """Return the terms of the cost: what depends on the same choices is one term over them.

    Args:
        root: owner of the modules.
        flow: the captured network's nodes with their tensors.
        needs: when, and how coarsely, each node runs, by numbers of choices.
        names: of the choices.
    """
    grouped: dict[frozenset[int], list[_Piece]] = defaultdict(list)
    pieces = {node: piece for node, found in needs.items() if (piece := _piece(root, node, flow, found)) is not None}
    for rows, together in _rows_together([*pieces.values(), *_rest(root, flow, pieces.values(), needs)]):
        grouped[rows] += together
    return [_plan(sorted(rows), members, names) for rows, members in grouped.items()]


def _piece(root: nn.Module, node: fx.Node, flow: Flow, needs: Needs) -> _Piece | None:
    parts = {grain: part_of(root, node, flow, grain) for grain in needs}
    cases = tuple((needs[grain], part) for grain, part in parts.items() if part is not None)
    return _Piece(cases) if cases else None


def _rows_together(pieces: Sequence[_Piece]) -> list[tuple[frozenset[int], list[_Piece]]]:
    """Return the pieces of one term with its choices; what shares a parameter shares a term, or it counts twice."""
    groups: list[tuple[set[nn.Parameter], list[_Piece]]] = []
    for piece in pieces:
        owned, together = piece.parameters, [piece]
        apart = []
        for others, members in groups:
            if owned & others:
                owned, together = owned | others, members + together
            else:
                apart.append((others, members))
        groups = [*apart, (owned, together)]
    return [(frozenset().union(*(piece.rows for piece in members)), members) for _, members in groups]


def _rest(root: nn.Module, flow: Flow, pieces: Iterable[_Piece], needs: Mapping[fx.Node, Needs]) -> Iterator[_Piece]:
    """Yield the parameters that are read and that no piece owns."""
    owned: set[nn.Parameter] = set().union(*(piece.parameters for piece in pieces))
    first = next(node for node in flow if node.op == "placeholder")
    inputs, dimensions = (flow[first],), (first.meta.get(BATCH),)
    for node, found in needs.items():
        if node.op == "get_attr" and isinstance(held := _held(root, node), nn.Parameter) and held not in owned:
            yield _Piece(((runs(found), Part(REST, Rest([held]), tuple(flow[first].shape[1:]), inputs, dimensions)),))


def _held(root: nn.Module, node: fx.Node) -> Any:
    path, _, name = str(node.target).rpartition(".")
    return getattr(root.get_submodule(path), name)


def _plan(rows: list[int], pieces: Sequence[_Piece], names: Sequence[str]) -> TermPlan:
    entries = {}
    for known, parts in _decided(pieces, {}):
        entries[tuple(_option(known.get(row)) for row in rows)] = parts
    return TermPlan(tuple(names[row] for row in rows), entries)


def _option(kept: bool | None) -> str:
    return EITHER.join(OPTIONS) if kept is None else KEEP if kept else DROP


def _decided(
    pieces: Sequence[_Piece], known: Mapping[int, bool]
) -> Iterator[tuple[Mapping[int, bool], tuple[Part, ...]]]:
    """Yield, for sets of choices known as kept or dropped that exclude each other, what runs under them, if anything.

    A choice is asked about only where what runs still depends on it: a network's end is seldom over all its choices.
    """
    found = [_running(piece, known) for piece in pieces]
    row = next((one for one in found if isinstance(one, int)), None)
    if row is not None:
        for kept in (True, False):
            yield from _decided(pieces, {**known, row: kept})
    elif parts := tuple(one for one in found if isinstance(one, Part)):
        yield known, parts


def _running(piece: _Piece, known: Mapping[int, bool]) -> Part | int | None:
    """Return the part that runs, None if none does, or the choice to ask about."""
    for condition, part in piece.cases:
        open_terms = [term for term in condition if all(known.get(row, True) for row in term)]
        unknown = [sorted(row for row in term if row not in known) for term in open_terms]
        if [] in unknown:
            return part
        if unknown:
            # What stands last in the shortest term decides soonest: a fifth of the entries that any order gives.
            shortest: list[int] = min(sorted(unknown), key=len)
            return max(shortest)
    return None
