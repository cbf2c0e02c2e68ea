"""From a network with choices and an architecture to a plain module: drop, slice, and remove dead code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, fx, nn

from archdial.networks.graph.capture.functional import remove_dead
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.grain import coarsen
from archdial.networks.graph.need import needs
from archdial.networks.graph.retraceable import bind_buffers, make_retraceable
from archdial.networks.graph.sizes import Sized
from archdial.networks.standalone import recompile, standalone
from archdial.networks.statistics import recalibrate


def without(graph: fx.Graph, dropped: Sequence[Operation], sized: Sized) -> fx.Graph:
    """Return a copy of `graph` in which what each of `dropped` passes on takes its place, and nothing dead is left.

    Args:
        graph: of the captured network.
        dropped: in the order in which they would run.
        sized: the network as wide as it is to be.
    """
    copies: dict[fx.Node, fx.Node] = {}
    result = fx.Graph()
    result.output(result.graph_copy(graph, copies))
    for node, copied in copies.items():
        copied.args, copied.kwargs = fx.node.map_arg(sized.arguments(node), copies.__getitem__)
    for operation in dropped:
        node = copies[operation.node]
        # Read again: what it passes on may itself have been dropped by now.
        passed = node.args[_place(operation)]
        assert isinstance(passed, fx.Node)
        node.replace_all_uses_with(passed)
        result.erase_node(node)
    remove_dead(result)
    make_retraceable(result)
    return result


def _place(operation: Operation) -> int:
    return operation.node.args.index(operation.passes)


def narrower(graph: fx.Graph, sized: Sized) -> dict[str, Any]:
    """Return the modules and tensors, by name, of which only some units are kept, each with memory of its own."""
    found: dict[str, Any] = {}
    for node in graph.nodes:
        if node.op == "call_module" and sized.is_cut(node):
            found[str(node.target)] = sized.module(node)
        elif node.op == "get_attr" and sized.is_cut(node):
            found[str(node.target)] = sized.attribute(node)
    return found


def plain(
    root: nn.Module, graph: fx.Graph, calibration: Sequence[Sequence[Tensor]] = (), parts: Mapping[str, Any] = {}
) -> fx.GraphModule:
    """Return a module of its own that runs `graph`: copies of what it uses of `root`, under the same names.

    What of it is in `parts` is taken from there.

    What is read only at some pixels is computed only there: convolutions may have other strides than in `root`.
    BatchNorm's statistics are recomputed from the batches of `calibration`, if there are any.
    """
    bind_buffers(root, graph)
    built = standalone(root, graph, parts)
    if calibration:
        # While all pixels are still computed, which are those that the gates' own forward sees.
        recalibrate(built, lambda tensors: built(*tensors), calibration)
    nodes = list(graph.nodes)
    strides = coarsen(built, graph, {node: min(found) for node, found in needs(graph, {}).items() if found})
    for name, stride in strides.items():
        cast(nn.Conv2d, built.get_submodule(name)).stride = (stride, stride)
    for node in graph.nodes:
        # Records of where nodes came from name the classes of the user's code: what is pickled would need them.
        node.meta.clear()
        if node.op == "call_module" and type(built.get_submodule(str(node.target))) is nn.Identity:
            node.replace_all_uses_with(node.all_input_nodes[0])
    remove_dead(graph)
    graph.lint()
    if list(graph.nodes) != nodes:
        recompile(built)
    return built
