"""Merging named layers of a built member, where the cost table found this to be faster."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.common.errors import UsageError, cut
from archdial.networks.graph.merging.calls import is_call, shared_tensors, tensors_of
from archdial.networks.graph.merging.pairs import merged
from archdial.networks.standalone import recompile


def merge_rows(built: fx.GraphModule, rows: Sequence[Sequence[str]], dimensions: Mapping[str, int]) -> None:
    """Make one layer of each of several `rows` of layers, by name, in place; it has the name that the row leaves.

    That is the name of the first that is no normalisation. All other names stay. Layers whose numbers would be too
    large as one stay as they are.

    Args:
        dimensions: those of what each layer takes, the batch among them, by name.

    Raises:
        UsageError: the layers do not follow each other, or are read by others too.
    """
    shared = shared_tensors(built, built.graph)
    called = {str(node.target): node for node in built.graph.nodes if is_call(node)}
    for row in rows:
        nodes = [called[name] for name in row if name in called]
        modules = [built.get_submodule(str(node.target)) for node in nodes]
        alone = shared.isdisjoint(id(tensor) for module in modules for tensor in tensors_of(module))
        follow = all(list(first.users) == [second] for first, second in itertools.pairwise(nodes))
        if len(nodes) < max(2, len(row)) or not alone or not follow:
            raise UsageError(f"layers to merge, {cut(', '.join(row))}: they are not consecutive in this member")
        if (module := merged(modules, dimensions.get(row[0]))) is not None:
            _put(built, nodes, modules, module)
    if rows:
        built.graph.lint()
        recompile(built)


def _left(names: Sequence[str], modules: Sequence[nn.Module]) -> str:
    """Return the name that a row of layers leaves: a normalisation has none to give."""
    return next(name for name, module in zip(names, modules, strict=True) if not isinstance(module, _BatchNorm))


def _put(built: fx.GraphModule, nodes: Sequence[fx.Node], modules: Sequence[nn.Module], module: nn.Module) -> None:
    names = [str(node.target) for node in nodes]
    left = _left(names, modules)
    for node in nodes:
        if str(node.target) != left:
            node.replace_all_uses_with(node.all_input_nodes[0])
            built.graph.erase_node(node)
    built.set_submodule(left, module)
