"""From a supernet and one-hot weights to a plain module: trace the path, drop what did not run."""

from __future__ import annotations

import copy

from torch import Tensor, fx, nn

from archdial.networks.base import Supernet
from archdial.networks.repeats import merge_repeats


class _Path(nn.Module):
    """A supernet with its option weights fixed, for tracing."""

    def __init__(self, network: Supernet, weights: Tensor) -> None:
        super().__init__()
        self.network = network
        self.weights = weights

    def forward(self, inputs: Tensor) -> Tensor:
        return self.network(inputs, self.weights)  # type: ignore[no-any-return]


class _Tracer(fx.Tracer):
    """Enter the modules of archdial, keep all others whole: those of torch, and a user's own operations."""

    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        of_archdial = type(module).__module__.split(".")[0] == "archdial"
        return not of_archdial and not isinstance(module, nn.Sequential)


def plain_module(network: Supernet, weights: Tensor) -> fx.GraphModule:
    """Return what `network` computes under one-hot `weights` (m, k), as a module of which archdial is no part.

    Parameters and buffers are copies; only the options that run are there, and what several of them would do to the
    same tensor is done once. The names of parameters are those of the supernet.
    """
    graph = _Tracer().trace(_Path(network, weights.detach()))
    for node in graph.nodes:
        # Annotations of archdial's own forward are strings to the code that torch generates: it needs none,
        node.type = None
        # and no record of the modules it came from, which names classes of archdial.
        node.meta.clear()
        if node.op in {"call_module", "get_attr"}:
            node.target = node.target.removeprefix("network.")
    _drop_identities(network, graph)
    merge_repeats(network, graph)
    # A graph of torch's own: that of a tracer names the tracer, and what is pickled would need archdial to be read.
    plain = fx.Graph()
    plain.output(plain.graph_copy(graph, {}))
    return copy.deepcopy(fx.GraphModule(network, plain, class_name="Member"))


def _drop_identities(network: nn.Module, graph: fx.Graph) -> None:
    for node in list(graph.nodes):
        if node.op == "call_module" and isinstance(network.get_submodule(node.target), nn.Identity):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    graph.lint()
