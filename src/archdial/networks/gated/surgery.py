"""From a gated network and an architecture to a plain module: drop, and remove what is thereby dead."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import fx, nn

from archdial.networks.gated.operations import Operation


def without(graph: fx.Graph, dropped: Sequence[Operation]) -> fx.Graph:
    """Return a copy of `graph` in which what each of `dropped` passes on takes its place, and nothing dead is left."""
    copies: dict[fx.Node, fx.Node] = {}
    result = fx.Graph()
    result.output(result.graph_copy(graph, copies))
    for operation in dropped:
        node = copies[operation.node]
        # Read anew: what it passes on may itself have been dropped by now.
        passed = node.args[_place(operation)]
        assert isinstance(passed, fx.Node)
        node.replace_all_uses_with(passed)
        result.erase_node(node)
    remove_dead(result)
    return result


def _place(operation: Operation) -> int:
    return operation.node.args.index(operation.passes)


def remove_dead(graph: fx.Graph) -> None:
    """Erase the nodes of `graph` that nothing reads.

    fx keeps what might have side effects; a module called for nothing, as a BatchNorm that updates its statistics, is
    dead here all the same.
    """
    for node in reversed(list(graph.nodes)):
        if not node.users and node.op not in {"placeholder", "output"}:
            graph.erase_node(node)


def plain(root: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """Return a module of its own that runs `graph`: copies of what it uses of `root`, under the same names."""
    for node in graph.nodes:
        # Records of where nodes came from name the classes of the user's code: what is pickled would need them.
        node.meta.clear()
        if node.op == "call_module" and type(root.get_submodule(str(node.target))) is nn.Identity:
            node.replace_all_uses_with(node.all_input_nodes[0])
    remove_dead(graph)
    graph.lint()
    return copy.deepcopy(fx.GraphModule(root, graph, class_name="Member"))
