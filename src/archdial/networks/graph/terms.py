"""The terms of a network's cost: what runs under which options, as entries over the choices that decide together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from archdial.networks.graph.conditions import Condition, Conjunction, rows_of
from archdial.networks.graph.need import Needs, runs
from archdial.networks.graph.pricing import Pricing
from archdial.networks.graph.sizes import WHOLE
from archdial.networks.supernet import Part, TermPlan
from archdial.space import EITHER, Choice

Known = Mapping[int, frozenset[int]]
"""Of some choices, by number, the options that are still possible; of all others every one is."""

Question = tuple[int, tuple[frozenset[int], ...]]
"""A choice, and how its options are to be told apart."""


@dataclass(frozen=True)
class _Piece:
    """What a node may run.

    Attributes:
        cases: how coarsely it runs, finest first, each with its condition; the first that holds counts.
        sized: choices that settle how wide what it reads, holds or gives is.
        owned: numbers of the parameters that it reads, each its `id`.
    """

    node: fx.Node
    cases: tuple[tuple[Condition, int], ...]
    sized: frozenset[int]
    owned: frozenset[int]

    @property
    def rows(self) -> frozenset[int]:
        """Choices on which it depends."""
        return self.sized.union(*(rows_of(condition) for condition, _ in self.cases))


class _Planning:
    """Makes the terms of one network."""

    def __init__(self, pricing: Pricing, needs: Mapping[fx.Node, Needs], choices: Sequence[Choice]) -> None:
        self._pricing, self._needs, self._choices = pricing, needs, choices

    def plans(self) -> list[TermPlan]:
        """Return the terms: what depends on the same choices is one term over them."""
        pieces = [piece for node, found in self._needs.items() if (piece := self._piece(node, found)) is not None]
        grouped: dict[frozenset[int], list[_Piece]] = defaultdict(list)
        for rows, together in _rows_together([*pieces, *self._rest(pieces)]):
            grouped[rows] += together
        return [self._plan(sorted(rows), members) for rows, members in grouped.items()]

    def _piece(self, node: fx.Node, needs: Needs) -> _Piece | None:
        parts = {grain: self._pricing.part(node, grain) for grain in needs}
        cases = tuple((needs[grain], grain) for grain, part in parts.items() if part is not None)
        owned = (id(p) for part in parts.values() if part is not None for p in part.module.parameters())
        return _Piece(node, cases, self._pricing.rows(node), frozenset(owned)) if cases else None

    def _rest(self, pieces: Iterable[_Piece]) -> Iterator[_Piece]:
        """Yield the parameters that are read and that no piece owns."""
        owned: set[int] = set().union(*(piece.owned for piece in pieces))
        for node, found in self._needs.items():
            held = self._pricing.held(node)
            if held is not None and id(held) not in owned:
                yield _Piece(node, ((runs(found), 1),), self._pricing.rows(node), frozenset({id(held)}))

    def _plan(self, rows: list[int], pieces: Sequence[_Piece]) -> TermPlan:
        entries = {}
        for known, parts in self._decided(pieces, {}):
            entries[tuple(self._named(row, known) for row in rows)] = parts
        return TermPlan(tuple(self._choices[row].name for row in rows), entries)

    def _named(self, row: int, known: Known) -> str:
        options = self._choices[row].options
        return EITHER.join(options[number] for number in sorted(known.get(row, range(len(options)))))

    def _decided(self, pieces: Sequence[_Piece], known: Known) -> Iterator[tuple[Known, tuple[Part, ...]]]:
        """Yield what runs, if anything, under sets of known options that exclude each other.

        A choice is asked about only where what runs still depends on it: a network's end is seldom over all its
        choices.
        """
        found = [self._running(piece, known) for piece in pieces]
        question = next((one for one in found if isinstance(one, tuple)), None)
        if question is not None:
            row, ways = question
            for options in ways:
                yield from self._decided(pieces, {**known, row: options})
        elif parts := tuple(one for one in found if isinstance(one, Part)):
            yield known, parts

    def _running(self, piece: _Piece, known: Known) -> Part | Question | None:
        """Return the part that runs, None if none does, or what to ask."""
        for condition, grain in piece.cases:
            unknown = [asked for term in condition if (asked := self._open(term, known)) is not None]
            if [] in unknown:
                return self._sized(piece, grain, known)
            if unknown:
                # What stands last in the shortest term decides soonest: a fifth of the entries that any order gives.
                shortest: list[int] = min(sorted(unknown), key=len)
                row = max(shortest)
                return self._split(row, condition, known)
        return None

    def _open(self, term: Conjunction, known: Known) -> list[int] | None:
        """Return the choices of `term` that have still to be asked about; None where it no longer can hold."""
        asked = []
        for row, allowed in term:
            possible = self._possible(row, known)
            if not possible & allowed:
                return None
            if not possible <= allowed:
                asked.append(row)
        return sorted(asked)

    def _split(self, row: int, condition: Condition, known: Known) -> Question:
        possible = self._possible(row, known)
        allowed = [some for term in condition for other, some in term if other == row]
        first = next(some & possible for some in allowed if some & possible and not possible <= some)
        return row, (first, possible - first)

    def _sized(self, piece: _Piece, grain: int, known: Known) -> Part | Question | None:
        """Return the part at known widths, or which choice to ask for its width."""
        for row in sorted(piece.sized):
            possible = self._possible(row, known)
            ways = self._pricing.told_apart(row, sorted(possible), piece.node)
            if len(ways) > 1:
                return row, ways
        options = {row: min(self._possible(row, known)) for row in piece.sized}
        if piece.node.op == "get_attr":
            return self._pricing.rest(piece.node, options)
        return self._pricing.part(piece.node, grain, options or WHOLE)

    def _possible(self, row: int, known: Known) -> frozenset[int]:
        return known[row] if row in known else frozenset(range(len(self._choices[row].options)))


def term_plans(pricing: Pricing, needs: Mapping[fx.Node, Needs], choices: Sequence[Choice]) -> list[TermPlan]:
    """Return the terms of the cost: what depends on the same choices is one term over them.

    Args:
        pricing: what each node costs, at which widths.
        needs: when, and how coarsely, each node runs.
        choices: of the space.
    """
    return _Planning(pricing, needs, choices).plans()


def _rows_together(pieces: Sequence[_Piece]) -> list[tuple[frozenset[int], list[_Piece]]]:
    """Return the pieces of one term with its choices; what shares a parameter shares a term, or it counts twice."""
    groups: list[tuple[frozenset[int], list[_Piece]]] = []
    for piece in pieces:
        owned, together = piece.owned, [piece]
        apart = []
        for others, members in groups:
            if owned & others:
                owned, together = owned | others, members + together
            else:
                apart.append((others, members))
        groups = [*apart, (owned, together)]
    return [(frozenset().union(*(piece.rows for piece in members)), members) for _, members in groups]
