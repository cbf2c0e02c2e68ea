"""What forms one choice: user-defined groups, a branch and its width, and concatenated parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import fx

from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.choices.branches import branch_at
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.gate import Gate
from archdial.networks.graph.choices.width import Slimmable, width_of
from archdial.networks.graph.widths.widths import Widths

MOST = 256
"""Shapes that one node may have: each is measured. What is concatenated of more choices is narrower together."""


@dataclass(frozen=True)
class Together:
    """What one choice is about."""

    name: str
    operations: tuple[Operation, ...] = ()
    slimmable: tuple[Slimmable, ...] = ()

    def made(self, fractions: Sequence[float], multiple: int) -> GraphChoice:
        """Return it as a gate, a width, or both in one."""
        gate = Gate(self.name, self.operations) if self.operations else None
        groups = {one.number: one.group for one in self.slimmable}
        width = width_of(self.name, groups, fractions, multiple, gate) if groups else None
        found = width or gate
        assert found is not None
        return found


def together(named: Mapping[str, Sequence[Operation | Slimmable]]) -> list[Together]:
    """Return what the user's selection has in one choice each."""
    return [
        Together(
            name,
            tuple(one for one in members if isinstance(one, Operation)),
            tuple(one for one in members if isinstance(one, Slimmable)),
        )
        for name, members in named.items()
    ]


def without_joints(found: Sequence[Together], widths: Widths) -> list[Together]:
    """Return `found` without operations that join two widths: what would stand in for them is of another size."""
    free = {one.number for item in found for one in item.slimmable}

    def passes(operation: Operation) -> bool:
        gives, stands_in = (widths.axes.get(node) or () for node in (operation.node, operation.passes))
        differ = {axis for pair in zip(gives, stands_in, strict=False) if pair[0] != pair[1] for axis in pair if axis}
        differ |= {axis for axis in (gives or stands_in) if axis} if len(gives) != len(stands_in) else set()
        return not any(axis.touches & free for axis in differ)

    kept = [replace(item, operations=tuple(filter(passes, item.operations))) for item in found]
    return [item for item in kept if item.operations or item.slimmable]


def with_branches(found: Sequence[Together], captured: Captured, widths: Widths) -> list[Together]:
    """Return `found` with each width that lies wholly in a branch of its own as one choice with the branch."""
    order = {node: place for place, node in enumerate(captured.graph.nodes)}
    where = _where(widths)
    result = {item.name: item for item in found}
    for item in found:
        if len(item.operations) != 1 or item.slimmable or not item.operations[0].is_branch:
            continue
        branch = branch_at(item.operations[0].node, order)
        inside = [one for one in result.values() if branch and _lies_in(one, branch.nodes, where)]
        if len(inside) == 1:
            result[item.name] = replace(item, slimmable=inside[0].slimmable)
            del result[inside[0].name]
    return list(result.values())


def _lies_in(item: Together, nodes: frozenset[fx.Node], where: Mapping[int, frozenset[fx.Node]]) -> bool:
    alone = len(item.slimmable) == 1 and not item.operations
    return alone and where[item.slimmable[0].number] <= nodes


def _where(widths: Widths) -> dict[int, frozenset[fx.Node]]:
    found: dict[int, set[fx.Node]] = {number: set() for number in range(len(widths.groups))}
    for node in {*widths.axes, *widths.held}:
        for group in widths.touched(node):
            found[group].add(node)
    return {number: frozenset(nodes) for number, nodes in found.items()}


def with_few_shapes(found: Sequence[Together], widths: Widths, options: int) -> list[Together]:
    """Return `found` with widths in one choice where a node would have too many shapes, as after concatenations.

    Args:
        found: what the choices are about.
        widths: of the network.
        options: how many widths each choice has.
    """
    items = list(found)
    for node in dict.fromkeys((*widths.axes, *widths.held)):
        groups = widths.touched(node)
        own = [item for item in items if any(one.number in groups for one in item.slimmable)]
        if options ** len(own) > MOST:
            first, *others = own
            merged = replace(first, slimmable=tuple(one for item in own for one in item.slimmable), operations=())
            # A branch has then a gate of its own, of the name that it had: the width gets another.
            gates = [replace(item, slimmable=()) for item in own if item.operations]
            named = replace(merged, name=merged.slimmable[0].name)
            items = [*(named if item is first else item for item in items if item not in others), *gates]
    return items
