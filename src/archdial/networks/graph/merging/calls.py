"""Which nodes of a graph call a layer on one tensor, and which of their tensors have other readers."""

from __future__ import annotations

from collections import Counter

from torch import Tensor, fx, nn

from archdial.networks.standalone import attribute_of


def is_call(node: fx.Node) -> bool:
    """Tell whether `node` calls a module on one tensor, and on nothing else."""
    inputs = tuple(node.all_input_nodes)
    return node.op == "call_module" and len(inputs) == 1 and node.args == inputs and not node.kwargs


def shared_tensors(root: nn.Module, graph: fx.Graph) -> set[int]:
    """Return the identities of tensors of `root` that more than one node of `graph` reads."""
    reads: Counter[int] = Counter()
    for node in graph.nodes:
        if node.op == "call_module":
            reads.update({id(tensor) for tensor in tensors_of(root.get_submodule(str(node.target)))})
        elif node.op == "get_attr":
            reads[id(attribute_of(root, str(node.target)))] += 1
    return {one for one, times in reads.items() if times > 1}


def tensors_of(module: nn.Module) -> list[Tensor]:
    """Return parameters and buffers of `module`."""
    return [*module.parameters(), *module.buffers()]
