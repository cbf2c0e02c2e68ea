"""When a node of a gated network runs: a condition on what is kept, in disjunctive normal form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch import fx

from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.gates import DROP, KEEP, OPTIONS
from archdial.networks.graph.grain import GRAIN, asked_by
from archdial.space import Architecture

Condition = frozenset[frozenset[int]]
"""Any of some conjunctions of kept choices, by number. Without any it never holds, with an empty one it always does."""

Needs = dict[int, Condition]
"""When a node is needed, by the grain at which it is then computed, finest first: the first that holds counts."""

ALWAYS: Condition = frozenset({frozenset()})
NEVER: Condition = frozenset()


def either(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that holds where one of `conditions` does; what implies another of its terms is left out."""
    every = {term for condition in conditions for term in condition}
    return frozenset(term for term in every if not any(other < term for other in every))


def with_kept(condition: Condition, choice: int) -> Condition:
    """Return the condition that holds where `condition` does and `choice` is kept."""
    return either([frozenset(term | {choice} for term in condition)])


def holds(condition: Condition, kept: Iterable[int]) -> bool:
    """Tell whether `condition` holds where the choices `kept` are kept and all others dropped."""
    there = set(kept)
    return any(term <= there for term in condition)


def running(conditions: Sequence[Condition], architecture: Architecture) -> Architecture:
    """Return `architecture` with all that is kept in vain dropped: what stands in a dropped branch.

    Args:
        conditions: of each choice, when any of its operations runs.
    """
    kept = [row for row, option in enumerate(architecture.options) if OPTIONS[option] == KEEP]
    return Architecture(tuple(OPTIONS.index(KEEP if holds(one, kept) else DROP) for one in conditions))


def needs(graph: fx.Graph, choice_of: Mapping[fx.Node, tuple[Operation, int]]) -> dict[fx.Node, Needs]:
    """Return for each node of `graph` when it runs, and how coarsely it may then be computed.

    A node is needed where one that reads its output is needed. What passes something on in its place when it is
    dropped needs that always, and its other inputs only while it is kept.

    Args:
        graph: of a captured network.
        choice_of: the operation at a node, and the number of its choice.
    """
    needed: dict[fx.Node, Needs] = {}
    for node in reversed(graph.nodes):
        if node.op == "output":
            needed[node] = {1: ALWAYS}
        else:
            asked = [one for user in node.users for one in _asked(user, node, needed[user], choice_of)]
            needed[node] = _gathered(asked if GRAIN in node.meta else [(1, condition) for _, condition in asked])
    return {node: _runs(node, found, choice_of) for node, found in needed.items()}


def leave_whole(graph: fx.Graph) -> None:
    """Take the grain of what even the whole network could compute coarsely: it is the user's, and stays as it is."""
    for node, found in needs(graph, {}).items():
        if found and min(found) > 1:
            del node.meta[GRAIN]


def runs(needs: Needs) -> Condition:
    """Return the condition under which a node runs, however coarsely."""
    return either(needs.values())


def _gathered(asked: Iterable[tuple[int, Condition]]) -> Needs:
    """Return the conditions by grain, finest first; what holds only where a finer one does is left out."""
    by_grain: dict[int, list[Condition]] = defaultdict(list)
    for grain, condition in asked:
        by_grain[grain].append(condition)
    found: Needs = {}
    for grain in sorted(by_grain):
        finer = runs(found)
        own = frozenset(term for term in either(by_grain[grain]) if not any(other <= term for other in finer))
        if own:
            found[grain] = own
    return found


def _asked(
    user: fx.Node, node: fx.Node, needed: Needs, choice_of: Mapping[fx.Node, tuple[Operation, int]]
) -> Iterator[tuple[int, Condition]]:
    """Yield how coarsely `user` reads `node`, with the condition under which it does."""
    for grain, condition in needed.items():
        if user not in choice_of:
            yield asked_by(user, grain), condition
            continue
        operation, choice = choice_of[user]
        yield asked_by(user, grain), with_kept(condition, choice)
        if node is operation.passes:
            # Dropped, it hands on what is asked of it; kept, it asks for the same or for more.
            yield grain, condition


def _runs(node: fx.Node, needed: Needs, choice_of: Mapping[fx.Node, tuple[Operation, int]]) -> Needs:
    if node not in choice_of:
        return needed
    return {grain: with_kept(condition, choice_of[node][1]) for grain, condition in needed.items()}
