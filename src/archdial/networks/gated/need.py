"""When a node of a gated network runs: a condition on what is kept, in disjunctive normal form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import fx

from archdial.networks.gated.operations import Operation

Condition = frozenset[frozenset[int]]
"""Any of some conjunctions of kept choices, by number. Without any it never holds, with an empty one it always does."""

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


def conditions(graph: fx.Graph, choice_of: Mapping[fx.Node, tuple[Operation, int]]) -> dict[fx.Node, Condition]:
    """Return for each node of `graph` when it runs.

    A node is needed where one that reads its output is needed. What passes something on in its place when it is
    dropped needs that always, and its other inputs only while it is kept.

    Args:
        graph: of a captured network.
        choice_of: the operation at a node, and the number of its choice.
    """
    needed: dict[fx.Node, Condition] = {}
    for node in reversed(graph.nodes):
        if node.op == "output":
            needed[node] = ALWAYS
        else:
            needed[node] = either(_asked(user, node, needed[user], choice_of) for user in node.users)
    return {node: _runs(node, condition, choice_of) for node, condition in needed.items()}


def _asked(
    user: fx.Node, node: fx.Node, needed: Condition, choice_of: Mapping[fx.Node, tuple[Operation, int]]
) -> Condition:
    if user not in choice_of:
        return needed
    operation, choice = choice_of[user]
    return needed if node is operation.passes else with_kept(needed, choice)


def _runs(node: fx.Node, needed: Condition, choice_of: Mapping[fx.Node, tuple[Operation, int]]) -> Condition:
    return with_kept(needed, choice_of[node][1]) if node in choice_of else needed
