"""The terms of a network's cost: what runs under which options, as entries over the deciding choices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from archdial.networks.graph.bits import Question
from archdial.networks.graph.conditions import Condition, Conjunction, rows_of
from archdial.networks.graph.merging.groups import Group
from archdial.networks.graph.need import Needs, runs
from archdial.networks.graph.pricing import Pricing
from archdial.networks.graph.sizes import WHOLE
from archdial.networks.supernet import Merging, Part, TermPlan
from archdial.space import EITHER, Choice

Known = Mapping[int, frozenset[int]]
"""Of some choices, by number, the options that are still possible; of all others every one is."""


@dataclass(frozen=True)
class _Piece:
    """What a node may run.

    Attributes:
        cases: how coarsely it runs, finest first, each with its condition; the first that holds counts.
        sized: choices that settle how wide what it reads, holds or gives is.
        owned: numbers of the parameters that it reads, each its `id`.
        bits: choices that settle whether it, and what it reads, is in eight bits.
        reader: of a border the node that reads what `node` gives, in more or fewer bits.
    """

    node: fx.Node
    cases: tuple[tuple[Condition, int], ...]
    sized: frozenset[int]
    owned: frozenset[int]
    bits: frozenset[int] = frozenset()
    reader: fx.Node | None = None

    @property
    def rows(self) -> frozenset[int]:
        """Choices on which it depends."""
        return self.sized.union(self.bits, *(rows_of(condition) for condition, _ in self.cases))


class _Planning:
    """Makes the terms of one network."""

    def __init__(self, pricing: Pricing, needs: Mapping[fx.Node, Needs], choices: Sequence[Choice]) -> None:
        self._pricing, self._needs, self._choices = pricing, needs, choices

    def plans(self, groups: Sequence[Group]) -> list[TermPlan]:
        """Return the terms: what depends on the same choices is one term over them, what may become one is another."""
        pieces = [piece for node, found in self._needs.items() if (piece := self._piece(node, found)) is not None]
        merging = {group.layers: plan for group in groups if (plan := self._as_one(group, pieces)).merging}
        apart = {node for layers in merging for node in layers}
        others = [piece for piece in pieces if piece.node not in apart]
        others += [border for node, found in self._needs.items() for border in self._borders(node, found)]
        grouped: dict[frozenset[int], list[_Piece]] = defaultdict(list)
        for rows, together in _rows_together([*others, *self._rest(pieces)]):
            grouped[rows] += together
        return [*(self._plan(rows, members) for rows, members in grouped.items()), *merging.values()]

    def _as_one(self, group: Group, pieces: Iterable[_Piece]) -> TermPlan:
        """Return the term of the layers of `group`; where none of its entries can be one, they need no term."""
        by_node = {piece.node: piece for piece in pieces}
        members = [by_node[node] for node in group.layers if node in by_node]
        return self._plan(group.rows.union(*(piece.rows for piece in members)), members, group)

    def _piece(self, node: fx.Node, needs: Needs) -> _Piece | None:
        parts = {grain: self._pricing.part(node, grain) for grain in needs}
        cases = tuple((needs[grain], grain) for grain, part in parts.items() if part is not None)
        owned = (id(p) for part in parts.values() if part is not None for p in part.module.parameters())
        bits = self._pricing.bits.rows(node)
        return _Piece(node, cases, self._pricing.rows(node), frozenset(owned), bits) if cases else None

    def _borders(self, node: fx.Node, needs: Needs) -> Iterator[_Piece]:
        """Yield what may have to be converted before `node` reads it."""
        cases = tuple((condition, grain) for grain, condition in needs.items())
        bits = self._pricing.bits
        for source in node.all_input_nodes if cases and node.op != "output" else ():
            rows = bits.rows(node) | bits.rows(source)
            if rows and bits.may_differ(source, node):
                for other in bits.before(node, source):
                    rows |= bits.rows(other) | rows_of(runs(self._needs[other]))
                yield _Piece(source, cases, self._pricing.rows(source), frozenset(), rows, node)

    def _rest(self, pieces: Iterable[_Piece]) -> Iterator[_Piece]:
        """Yield the parameters that are read and that no piece owns."""
        owned: set[int] = set().union(*(piece.owned for piece in pieces))
        for node, found in self._needs.items():
            held = self._pricing.held(node)
            if held is not None and id(held) not in owned:
                yield _Piece(node, ((runs(found), 1),), self._pricing.rows(node), frozenset({id(held)}))

    def _plan(self, rows: Iterable[int], pieces: Sequence[_Piece], group: Group | None = None) -> TermPlan:
        entries, merging, rows = {}, {}, sorted(rows)
        for known, parts, one in self._decided(pieces, group, {}):
            options = tuple(self._named(row, known) for row in rows)
            entries[options] = parts
            if one is not None:
                merging[options] = one
        return TermPlan(tuple(self._choices[row].name for row in rows), entries, merging)

    def _named(self, row: int, known: Known) -> str:
        options = self._choices[row].options
        return EITHER.join(options[number] for number in sorted(known.get(row, range(len(options)))))

    def _decided(
        self, pieces: Sequence[_Piece], group: Group | None, known: Known
    ) -> Iterator[tuple[Known, tuple[Part, ...], Merging | None]]:
        """Yield what runs, if anything, under sets of known options that exclude each other, and what may do it as one.

        A choice is asked about only where what runs still depends on it: a network's end is seldom over all its
        choices.
        """
        found = [self._running(piece, known) for piece in pieces]
        running = [piece for piece, one in zip(pieces, found, strict=True) if isinstance(one, Part)]
        question = next((one for one in found if isinstance(one, tuple)), None)
        merging = None
        if question is None and group is not None and len(running) > 1:
            merging = self._merging(running, group, known)
            question = merging if isinstance(merging, tuple) else None
        if question is not None:
            row, ways = question
            for options in ways:
                yield from self._decided(pieces, group, {**known, row: options})
        elif parts := tuple(one for one in found if isinstance(one, Part)):
            yield known, parts, merging if isinstance(merging, Merging) else None

    def _running(self, piece: _Piece, known: Known) -> Part | Question | None:
        """Return the part that runs, None if none does, or what to ask."""
        grain = self._grain(piece, known)
        return self._sized(piece, grain, known) if isinstance(grain, int) else grain

    def _merging(self, pieces: Sequence[_Piece], group: Group, known: Known) -> Merging | Question | None:
        """Return what may take the place of `pieces`, which run; None if nothing does, or what to ask."""
        if any(self._grain(piece, known) != 1 for piece in pieces):
            return None
        nodes = [piece.node for piece in pieces]
        apart = self._holds(group.apart(nodes), known)
        if isinstance(apart, tuple):
            return apart
        sized = frozenset().union(*(piece.sized for piece in pieces))
        options = {row: min(self._possible(row, known)) for row in sized}
        part = None if apart else self._pricing.merged(nodes, options or WHOLE)
        return None if part is None else Merging(tuple(str(node.target) for node in nodes), part)

    def _grain(self, piece: _Piece, known: Known) -> int | Question | None:
        """Return how coarsely `piece` runs, None if it does not, or what to ask."""
        for condition, grain in piece.cases:
            held = self._holds(condition, known)
            if held:
                return grain if held is True else held
        return None

    def _holds(self, condition: Condition, known: Known) -> bool | Question:
        """Return whether `condition` holds, or what to ask."""
        unknown = [asked for term in condition if (asked := self._open(term, known)) is not None]
        if [] in unknown or not unknown:
            return bool(unknown)
        # What stands last in the shortest term decides soonest: a fifth of the entries that any order gives.
        shortest: list[int] = min(sorted(unknown), key=len)
        return self._split(max(shortest), condition, known)

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
        eight = self._pricing.bits.own(piece.reader or piece.node, lambda row: self._possible(row, known))
        if isinstance(eight, tuple):
            return eight
        if piece.reader is not None:
            return self._border(piece, options, known, into=eight)
        return self._pricing.part(piece.node, grain, options or WHOLE, eight=eight)

    def _border(self, piece: _Piece, options: Mapping[int, int], known: Known, *, into: bool) -> Part | Question | None:
        """Return what converts the output of the piece's node for its reader, None if nothing does, or what to ask."""
        given = self._pricing.bits.eight(piece.node, lambda row: self._possible(row, known))
        if isinstance(given, tuple):
            return given
        before = False if given == into else self._converted(piece, known, into=into)
        if isinstance(before, tuple):
            return before
        return None if before or given == into else self._pricing.border(piece.node, options, into=into)

    def _converted(self, piece: _Piece, known: Known, *, into: bool) -> bool | Question:
        """Return whether an earlier reader has the same conversion, which is then there for all; or what to ask."""
        assert piece.reader is not None
        for other in self._pricing.bits.before(piece.reader, piece.node):
            found = self._holds(runs(self._needs[other]), known)
            if found is True:
                own = self._pricing.bits.own(other, lambda row: self._possible(row, known))
                found = own if isinstance(own, tuple) else own == into
            if found is not False:
                return found
        return False

    def _possible(self, row: int, known: Known) -> frozenset[int]:
        return known[row] if row in known else frozenset(range(len(self._choices[row].options)))


def term_plans(
    pricing: Pricing, needs: Mapping[fx.Node, Needs], choices: Sequence[Choice], groups: Sequence[Group] = ()
) -> list[TermPlan]:
    """Return the terms of the cost: what depends on the same choices is one term over them.

    Args:
        pricing: what each node costs, at which widths.
        needs: when, and how coarsely, each node runs.
        choices: of the space.
        groups: layers that may become one; each group is one term.
    """
    return _Planning(pricing, needs, choices).plans(groups)


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
