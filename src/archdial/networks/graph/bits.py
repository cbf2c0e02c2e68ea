"""Which nodes of a network with choices compute in eight bits, as far as the options are known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor, fx, nn

from archdial.networks.eight_bits.following import absorbs, folds, follows, is_sum, moves
from archdial.networks.graph.capture.capture import Flow
from archdial.networks.graph.choices.branches import branch_at
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.precision import EIGHT, OPTIONS, Precision
from archdial.networks.graph.need import Droppable

Possible = Callable[[int], frozenset[int]]
"""Of a choice, by number, the options that are still possible."""

Question = tuple[int, tuple[frozenset[int], ...]]
"""A choice, and how its options are to be told apart."""

FARTHEST = 6
"""Dropped operations in a row that are looked through at most."""
_WAYS = 24
"""In which the precision of a node may be settled: fewer are looked through where these would be more."""
_EIGHT = frozenset({OPTIONS.index(EIGHT)})


class Bits:
    """The rule by which nodes compute in eight bits.

    A layer does where its choice says so. What follows, as ReLU, does where what it reads does; an addition where the
    branch does that is added. All else computes in float.
    """

    def __init__(
        self,
        root: nn.Module,
        graph: fx.Graph,
        flow: Flow,
        choices: Sequence[GraphChoice],
        drops: Mapping[fx.Node, Droppable],
    ) -> None:
        self._root, self._flow, self._drops = root, flow, drops
        self._row = {
            node: row for row, choice in enumerate(choices) if isinstance(choice, Precision) for node in choice.nodes
        }
        order = {node: place for place, node in enumerate(graph.nodes)}
        self._leader: dict[fx.Node, fx.Node] = {}
        for node in graph.nodes if self._row else ():
            if node not in self._row and follows(root, node) and _of_one_shape(node, flow):
                branch = branch_at(node, order) if is_sum(node) else None
                self._leader[node] = node.all_input_nodes[0] if branch is None else branch.end
        self._rows: dict[tuple[fx.Node, int], frozenset[int]] = {}
        self._farthest = next(steps for steps in range(FARTHEST, 0, -1) if steps == 1 or self._most(steps) <= _WAYS)

    def __bool__(self) -> bool:
        return bool(self._row)

    def row(self, node: fx.Node) -> int | None:
        """Return the choice that settles in how many bits the layer `node` computes; None where none does."""
        return self._row.get(node)

    def _most(self, steps: int) -> int:
        """Return in how many ways the precision of one node may be settled, `steps` dropped ones looked through."""
        ways: dict[tuple[fx.Node, int], int] = {}

        def count(node: fx.Node, left: int) -> int:
            if (node, left) not in ways:
                found = 2 if node in self._row else count(self._leader[node], left) if node in self._leader else 1
                dropped = node in self._drops and left
                ways[node, left] = found + (count(self._drops[node].operation.passes, left - 1) if dropped else 0)
            return ways[node, left]

        return max((count(node, steps) for node in (*self._row, *self._leader)), default=0)

    def rows(self, node: fx.Node, steps: int | None = None) -> frozenset[int]:
        """Return the choices that may settle in how many bits `node` computes, or what stands in for it."""
        steps = self._farthest if steps is None else steps
        if (node, steps) not in self._rows:
            own = {self._row[node]} if node in self._row else set()
            if node in self._leader:
                own |= self.rows(self._leader[node], steps)
            if node in self._drops and steps:
                passed = self.rows(self._drops[node].operation.passes, steps - 1)
                # Where both are in float it does not matter which of them is read.
                own |= {self._drops[node].kept[0], *passed} if own or passed else set()
            self._rows[node, steps] = frozenset(own)
        return self._rows[node, steps]

    def may_differ(self, source: fx.Node, node: fx.Node) -> bool:
        """Tell whether `node` may read in other bits what `source` gives: what follows it alone never does."""
        flows = isinstance(self._flow.get(source), Tensor) and source.op != "get_attr"
        return flows and self._leader.get(node) is not source

    def before(self, node: fx.Node, source: fx.Node) -> list[fx.Node]:
        """Return the nodes before `node` that read `source` too, in other bits or not."""
        readers = [user for user in source.users if user.op != "output" and self.may_differ(source, user)]
        return readers[: readers.index(node)]

    def is_free(self, node: fx.Node) -> bool:
        """Tell whether `node` costs nothing where it is in eight bits: computed with what it reads, or not at all."""
        if moves(self._root, node):
            return True
        source = self._leader.get(node)
        return source is not None and len(source.users) == 1 and absorbs(self._root, node, source)

    def is_folded_into(self, node: fx.Node) -> bool:
        """Tell whether a normalisation becomes a part of the layer `node` where it is in eight bits."""
        return len(node.users) == 1 and any(folds(self._root, user) and user in self._leader for user in node.users)

    def eight(self, node: fx.Node, possible: Possible, steps: int | None = None) -> bool | Question:
        """Return whether what `node` gives, or what stands in for it, is in eight bits; or what to ask.

        What stands in for what stands in for it, and so on for more than a few `steps`, is taken for float.
        """
        steps = self._farthest if steps is None else steps
        while node in self._drops and self.rows(node, steps):
            row, keeping = self._drops[node].kept
            options = possible(row)
            if options <= keeping:
                break
            if not options.isdisjoint(keeping):
                return row, (options & keeping, options - keeping)
            if not steps:
                return False
            node, steps = self._drops[node].operation.passes, steps - 1
        return self.own(node, possible, steps)

    def own(self, node: fx.Node, possible: Possible, steps: int | None = None) -> bool | Question:
        """Return whether `node`, which is not dropped, computes in eight bits; or what to ask."""
        if node in self._row:
            options = possible(self._row[node])
            if options <= _EIGHT:
                return True
            return (self._row[node], (options - _EIGHT, _EIGHT)) if options & _EIGHT else False
        leader = self._leader.get(node)
        return False if leader is None else self.eight(leader, possible, steps)

    def at(self, nodes: Iterable[fx.Node], options: Sequence[int]) -> list[fx.Node]:
        """Return those of `nodes`, which all run, that compute in eight bits where each choice takes its option."""
        return [node for node in nodes if self.own(node, lambda row: frozenset({options[row]})) is True]


def _of_one_shape(node: fx.Node, flow: Flow) -> bool:
    """Tell whether all that `node` reads and gives are tensors in float; of a sum, of one shape."""
    tensors = [flow.get(one) for one in (node, *node.all_input_nodes)]
    if not all(isinstance(one, Tensor) and one.is_floating_point() for one in tensors):
        return False
    return len(node.all_input_nodes) < 2 or len({one.shape for one in tensors if isinstance(one, Tensor)}) == 1
