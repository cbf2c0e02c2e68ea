"""Merging in a member as it was built: pairs of layers of which the second alone reads the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.networks.graph.merging.calls import dimensions_unknown, is_call, shared_tensors, tensors_of
from archdial.networks.graph.merging.pairs import merged, outline
from archdial.networks.standalone import recompile

Wanted = Callable[[fx.Node, fx.Node, nn.Module], bool]
"""Asked of two nodes and the layer that would take their place, without its numbers: whether it should."""


@dataclass(frozen=True)
class Merge:
    """Two modules that became one, by name: what is left, with the weights of both, and what is gone."""

    kept: str
    gone: str


def merge_pairs(
    built: fx.GraphModule, wanted: Wanted, dimensions: Callable[[fx.Node], int | None] = dimensions_unknown
) -> list[Merge]:
    """Merge layers of `built` in place until no pair is left that can be and is `wanted`; return what was merged.

    One layer has the name of the first of the two, of a normalisation and another layer that of the other one, so that
    all other names stay. Where a convolution pads what follows a normalisation the three are no chain: see `merged`.

    Args:
        dimensions: those of what a node gives, the batch among them, or None where they are not known.
    """
    done: list[Merge] = []
    refused: set[tuple[nn.Module, nn.Module]] = set()
    shared = shared_tensors(built, built.graph)
    while (found := _next(built, wanted, dimensions, refused, shared)) is not None:
        done.append(_put(built, *found))
    if done:
        built.graph.lint()
        recompile(built)
    return done


def _next(
    built: fx.GraphModule,
    wanted: Wanted,
    dimensions: Callable[[fx.Node], int | None],
    refused: set[tuple[nn.Module, nn.Module]],
    shared: set[int],
) -> tuple[fx.Node, fx.Node, nn.Module] | None:
    """Return the first pair that is merged next, with its layer; note in `refused` what stays as it is."""
    for first, second in _pairs(built.graph):
        modules = built.get_submodule(str(first.target)), built.get_submodule(str(second.target))
        if modules in refused:
            continue
        alone = all(shared.isdisjoint(map(id, tensors_of(module))) for module in modules)
        given = dimensions(first.all_input_nodes[0])
        # Asked before it is computed: of two large convolutions that takes seconds.
        shape = outline(*modules, given) if alone else None
        if shape is not None and wanted(first, second, shape) and (module := merged(*modules, given)) is not None:
            return first, second, module
        refused.add(modules)
    return None


def _pairs(graph: fx.Graph) -> Iterator[tuple[fx.Node, fx.Node]]:
    """Yield modules' calls, on one tensor each, of which the second alone reads what the first gives."""
    for first in graph.nodes:
        if is_call(first) and len(first.users) == 1 and is_call(second := next(iter(first.users))):
            yield first, second


def _put(built: fx.GraphModule, first: fx.Node, second: fx.Node, module: nn.Module) -> Merge:
    """Let one call stand for two; the list of nodes stays in order, for both read what stands before the first."""
    norm = isinstance(built.get_submodule(str(first.target)), _BatchNorm)
    kept, gone = (second, first) if norm else (first, second)
    gone.replace_all_uses_with(gone.all_input_nodes[0])
    built.graph.erase_node(gone)
    built.set_submodule(str(kept.target), module)
    return Merge(str(kept.target), str(gone.target))
