"""Branches that end in an addition: which of the two operands is added to the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import fx


@dataclass(frozen=True)
class Branch:
    """What is added to something else.

    Attributes:
        nodes: what runs for the branch alone.
        end: the last of them, an operand of the addition.
        other: the other operand, to which it is added.
    """

    nodes: frozenset[fx.Node]
    end: fx.Node
    other: fx.Node


def branch_at(addition: fx.Node, order: dict[fx.Node, int]) -> Branch | None:
    """Return the branch that `addition` adds; None where neither operand is one.

    Where one operand is computed from the other, it is the branch. Where both are computed from a third, as in a block
    with a convolution on its shortcut, it is the one with more operations of its own.
    """
    a, b = addition.args
    assert isinstance(a, fx.Node) and isinstance(b, fx.Node)
    own_a, own_b = own(a, addition, order), own(b, addition, order)
    from_b, from_a = reads(a, b, order), reads(b, a, order)
    if from_b or from_a:
        end, other, nodes = (a, b, own_a) if from_b else (b, a, own_b)
    else:
        end, other, nodes = (a, b, own_a) if len(own_a) >= len(own_b) else (b, a, own_b)
    # An addition of parameters, as positions to tokens, is no branch; nor is what others read too.
    inputs = [node for node in order if node.op == "placeholder"]
    from_input = any(reads(other, source, order) for source in inputs)
    return Branch(frozenset(nodes), end, other) if from_input and _computes(nodes) else None


def own(end: fx.Node, addition: fx.Node, order: dict[fx.Node, int]) -> set[fx.Node]:
    """Return the nodes that serve nothing but `addition` by way of `end`."""
    found: set[fx.Node] = set()
    waiting = [end]
    while waiting:
        # Latest first: a node is looked at after all its users that could be in the branch.
        waiting.sort(key=order.__getitem__)
        node = waiting.pop()
        if node in found or node.op in {"placeholder", "output"}:
            continue
        if all(user in found or (node is end and user is addition) for user in node.users):
            found.add(node)
            waiting += node.all_input_nodes
    return found


def reads(node: fx.Node, source: fx.Node, order: dict[fx.Node, int]) -> bool:
    """Tell whether `node` is computed from `source`."""
    seen: set[fx.Node] = set()
    waiting = [node]
    while waiting:
        current = waiting.pop()
        if current is source:
            return True
        for before in current.all_input_nodes:
            if before not in seen and order[before] >= order[source]:
                seen.add(before)
                waiting.append(before)
    return False


def _computes(nodes: Iterable[fx.Node]) -> bool:
    return any(node.op in {"call_module", "call_function", "call_method"} for node in nodes)


def scope(node: fx.Node) -> str:
    """Return the path of the module in whose code `node` stands; "" for the network's own."""
    stack = [path for path, _ in (node.meta.get("nn_module_stack") or {}).values() if isinstance(path, str)]
    return stack[-1].split("@")[0] if stack and "metadata_hook" not in stack[-1] else ""


def name_of(branch: Branch, addition: fx.Node) -> str:
    """Return a name for a branch: the submodule that it lies in wholly, or the module whose code adds it."""
    outer = scope(addition)
    paths = [str(node.target) if node.op == "call_module" else scope(node) for node in branch.nodes]
    parts = {path.removeprefix(outer).removeprefix(".").split(".")[0] for path in paths if path.startswith(outer)}
    part = parts.pop() if len(parts) == 1 else ""
    return ".".join(name for name in (outer, part, "branch") if name)
