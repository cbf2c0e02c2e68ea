"""Which layers of a gated network would be merged, and what must be dropped between them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import fx, nn

from archdial.networks.graph.merging.calls import is_call, shared_tensors, tensors_of
from archdial.networks.graph.merging.pairs import outline


@dataclass(frozen=True)
class Joint:
    """Two layers that can be one where nothing is between them.

    Attributes:
        first, second: nodes that call them; they have to run.
        dropped: what is between them, last first; all of it has to be dropped.
        readers: (reader, read) of what else reads the first or what is dropped: nobody may read it by way of these.
        layer: what takes their place, without its numbers.
    """

    first: fx.Node
    second: fx.Node
    dropped: tuple[fx.Node, ...]
    readers: tuple[tuple[fx.Node, fx.Node], ...]
    layer: nn.Module


def joints(
    root: nn.Module,
    graph: fx.Graph,
    passes: Mapping[fx.Node, fx.Node],
    dimensions: Callable[[fx.Node], int | None],
) -> Iterator[Joint]:
    """Yield the pairs of layers that `merge_rows` could merge in any member, in the order of the second.

    Args:
        root, graph: of the captured network.
        passes: what may be dropped, and what then takes its place.
        dimensions: those of what a node gives, the batch among them, or None where they are not known.
    """
    shared = shared_tensors(root, graph)
    for second in graph.nodes:
        if not is_call(second):
            continue
        for first, dropped in _before(second, passes):
            modules = root.get_submodule(str(first.target)), root.get_submodule(str(second.target))
            if not all(shared.isdisjoint(map(id, tensors_of(module))) for module in modules):
                continue
            layer = outline(modules, dimensions(first.all_input_nodes[0]))
            if layer is not None:
                yield Joint(first, second, dropped, _readers(first, second, dropped), layer)


def _before(second: fx.Node, passes: Mapping[fx.Node, fx.Node]) -> Iterator[tuple[fx.Node, tuple[fx.Node, ...]]]:
    """Yield the calls of modules that `second` may come to read, each with what is then dropped."""
    node = second.all_input_nodes[0]
    dropped: tuple[fx.Node, ...] = ()
    while True:
        if is_call(node):
            yield node, dropped
        if node not in passes:
            return
        node, dropped = passes[node], (*dropped, node)


def _readers(first: fx.Node, second: fx.Node, dropped: tuple[fx.Node, ...]) -> tuple[tuple[fx.Node, fx.Node], ...]:
    way = (second, *dropped, first)
    return tuple((user, read) for reader, read in itertools.pairwise(way) for user in read.users if user is not reader)
