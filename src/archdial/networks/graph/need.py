"""When a node of a network with choices runs, and how coarsely: conditions on the chosen options."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import fx

from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.conditions import ALWAYS, Condition, Taken, also, either, holds
from archdial.networks.graph.grain import GRAIN, asked_by
from archdial.space import Architecture, Space

Needs = dict[int, Condition]
"""When a node is needed, by the grain at which it is then computed, finest first: the first that holds counts."""


@dataclass(frozen=True)
class Droppable:
    """What may be dropped at a node.

    Attributes:
        operation: with what stands in for it.
        kept: the choice that it belongs to, and the options of it under which it runs.
    """

    operation: Operation
    kept: Taken


def droppable(choices: Sequence[GraphChoice]) -> dict[fx.Node, Droppable]:
    """Return the nodes that some option of one of `choices` drops."""
    return {
        operation.node: Droppable(operation, (row, choice.keeping))
        for row, choice in enumerate(choices)
        for operation in choice.operations
    }


def running(conditions: Sequence[Condition], space: Space, architecture: Architecture) -> Architecture:
    """Return `architecture` with the least option at each choice on which nothing depends, as in a dropped branch.

    Args:
        conditions: of each choice, when anything that it changes runs.
    """
    taken = architecture.options
    least = [len(choice.options) - 1 for choice in space.choices]
    return Architecture(tuple(taken[row] if holds(one, taken) else least[row] for row, one in enumerate(conditions)))


def needs(graph: fx.Graph, drops: Mapping[fx.Node, Droppable]) -> dict[fx.Node, Needs]:
    """Return for each node of `graph` when it runs, and how coarsely it may then be computed.

    Args:
        graph: of a captured network.
        drops: what may be dropped, by its node.
    """
    return {node: _runs(node, found, drops) for node, found in needed(graph, drops).items()}


def needed(graph: fx.Graph, drops: Mapping[fx.Node, Droppable]) -> dict[fx.Node, Needs]:
    """Return for each node of `graph` when its output is read, its own or what takes its place where it is dropped.

    A node is needed where one that reads its output is needed. What passes something on in its place when it is
    dropped needs that always, and its other inputs only while it is kept.
    """
    found: dict[fx.Node, Needs] = {}
    for node in reversed(graph.nodes):
        if node.op == "output":
            found[node] = {1: ALWAYS}
        else:
            asked = [one for user in node.users for one in _asked(user, node, found[user], drops)]
            found[node] = _gathered(asked if GRAIN in node.meta else [(1, condition) for _, condition in asked])
    return found


def reads(user: fx.Node, node: fx.Node, needed: Needs, drops: Mapping[fx.Node, Droppable]) -> Condition:
    """Return the condition under which `user`, which is `needed` so, reads `node`, or hands it on where dropped."""
    return either(condition for _, condition in _asked(user, node, needed, drops))


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
    user: fx.Node, node: fx.Node, needed: Needs, drops: Mapping[fx.Node, Droppable]
) -> Iterator[tuple[int, Condition]]:
    """Yield how coarsely `user` reads `node`, with the condition under which it does."""
    for grain, condition in needed.items():
        if user not in drops:
            yield asked_by(user, grain), condition
            continue
        yield asked_by(user, grain), also(condition, drops[user].kept)
        if node is drops[user].operation.passes:
            # Dropped, it hands on what is asked of it; kept, it asks for the same or for more.
            yield grain, condition


def _runs(node: fx.Node, needed: Needs, drops: Mapping[fx.Node, Droppable]) -> Needs:
    if node not in drops:
        return needed
    return {grain: also(condition, drops[node].kept) for grain, condition in needed.items()}
