"""Which layers of a network with choices can be merged: disjoint rows, and what is between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.networks.graph.conditions import ALWAYS, Condition, also, either, rows_of
from archdial.networks.graph.merging.joints import Joint, joints
from archdial.networks.graph.merging.pairs import outline
from archdial.networks.graph.need import Droppable, needed, needs, reads

_BETWEEN, _CHOICES = 2, 6
"""Gates that have to be dropped between two layers, and choices that decide: more make large terms of little use."""


Row = tuple[fx.Node, ...]


@dataclass(frozen=True)
class Group:
    """Layers in a row that can be one where what stands between them is dropped.

    Attributes:
        layers: nodes that call them, in the order in which they run; a normalisation among them may be dropped too.
        path: all nodes from the first to the last.
        kept: of each of `path` but the last, when it is not dropped.
        read: of each of these, when something beside `path` reads what it gives, or what takes its place.
        saves: FLOPs for one input that one layer saves, where all are.
    """

    layers: Row
    path: Row
    kept: Mapping[fx.Node, Condition]
    read: Mapping[fx.Node, Condition]
    saves: float

    @property
    def rows(self) -> frozenset[int]:
        """Choices that decide whether they are one, where they run."""
        return frozenset().union(*map(rows_of, (*self.kept.values(), *self.read.values())))

    def apart(self, running: Sequence[fx.Node]) -> Condition:
        """Return when the layers that run, `running`, can not be one.

        Always where nothing is dropped between them: what follows each other in the user's network stays so.
        """
        way = self.path[self.path.index(running[0]) : self.path.index(running[-1])]
        between = [node for node in way if node not in running]
        if not between:
            return ALWAYS
        return either([*(self.kept[node] for node in between), *(self.read[node] for node in way)])


class Layers:
    """The layers of a captured network, and what tells which of them may become one.

    Args:
        root, graph: of the captured network.
        drops: what may be dropped, by its node.
        flow: what nodes give for one input.
    """

    def __init__(
        self, root: nn.Module, graph: fx.Graph, drops: Mapping[fx.Node, Droppable], flow: Mapping[fx.Node, Any]
    ) -> None:
        self._root, self._drops, self._flow = root, drops, flow
        self._needed, self._needs = needed(graph, drops), needs(graph, drops)
        passes = {node: found.operation.passes for node, found in drops.items()}
        self._joints = list(joints(root, graph, passes, self._dimensions))

    def groups(self) -> list[Group]:
        """Return the rows of layers that may become one, each layer in one of them, most FLOPs saved first."""
        found = [group for joint in self._joints if joint.dropped for group in self._candidates(joint)]
        return list(_disjoint(sorted(found, key=lambda group: (-group.saves, len(group.path) - len(group.layers)))))

    def _candidates(self, joint: Joint) -> Iterator[Group]:
        """Yield groups of `joint`: by itself, and with a normalisation within, or that is its first with what it reads.

        Of a convolution, its normalisation and a dropped activation, what comes next becomes one with both.
        """
        path = (joint.first, *reversed(joint.dropped), joint.second)
        ways: list[tuple[Row, Row]] = [(path, (joint.first, joint.second))]
        ways += [(path, (joint.first, node, joint.second)) for node in path[1:-1] if self._is_norm(node)]
        if self._is_norm(joint.first):
            before = [one.first for one in self._joints if one.second is joint.first and not one.dropped]
            ways += [((node, *path), (node, joint.first, joint.second)) for node in before]
        for way, layers in ways:
            group = self._group(way, layers)
            if group is not None:
                yield group

    def _group(self, path: Row, layers: Row) -> Group | None:
        between = {self._drops[node].kept for node in path if node not in layers}
        # What is dropped with one of them, as a convolution with its normalisation, is not dropped between them.
        together = any(node in self._drops and self._drops[node].kept in between for node in layers)
        layer = outline([self._module(node) for node in layers], self._dimensions(layers[0].all_input_nodes[0]))
        if layer is None or together or not 0 < len({row for row, _ in between}) <= _BETWEEN:
            return None
        read = {node: self._read(node, after) for node, after in itertools.pairwise(path)}
        kept = {node: self._kept(node) for node in path[:-1]}
        own = sum(self._flops(self._module(node), node) for node in layers)
        group = Group(layers, path, kept, read, own - self._flops(layer, layers[-1]))
        decide = group.rows.union(*(rows_of(one) for node in layers for one in self._needs[node].values()))
        return group if len(decide) <= _CHOICES and group.apart(layers) != ALWAYS else None

    def _kept(self, node: fx.Node) -> Condition:
        return also(ALWAYS, self._drops[node].kept) if node in self._drops else ALWAYS

    def _read(self, node: fx.Node, after: fx.Node) -> Condition:
        """Return when something else than `after` reads `node`."""
        return either(reads(user, node, self._needed[user], self._drops) for user in node.users if user is not after)

    def _is_norm(self, node: fx.Node) -> bool:
        return node.op == "call_module" and isinstance(self._module(node), _BatchNorm)

    def _module(self, node: fx.Node) -> nn.Module:
        return self._root.get_submodule(str(node.target))

    def _dimensions(self, node: fx.Node) -> int | None:
        found = self._flow.get(node)
        return found.dim() if isinstance(found, Tensor) else None

    def _flops(self, module: nn.Module, node: fx.Node) -> float:
        """Return the FLOPs of `module` where it gives what `node` does."""
        weight: Any = module.weight
        return 2.0 * self._flow[node].numel() * weight[0].numel() if weight is not None and weight.dim() > 1 else 0.0


def _disjoint(candidates: Sequence[Group]) -> Iterator[Group]:
    taken: set[fx.Node] = set()
    for group in candidates:
        if taken.isdisjoint(group.layers):
            taken.update(group.layers)
            yield group
