"""Merging in a built member all layers that can be one, pair by pair, as rows that a cost table names are merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import fx, nn

from archdial.common.errors import UsageError
from archdial.networks.graph.merging import merge_rows, outline

Pair = tuple[str, str]


def adjacent(built: fx.GraphModule, dimensions: Mapping[str, int] = {}) -> Iterator[Pair]:
    """Yield the names of layers of which the second reads the first, and that one layer could stand for.

    Whether others read them too is not looked at: that is for `merge_rows` to refuse.
    """
    for first in built.graph.nodes:
        for second in first.users:
            if first.op == second.op == "call_module":
                names = str(first.target), str(second.target)
                if outline(_modules(built, names), dimensions.get(names[0])) is not None:
                    yield names


def merges(built: fx.GraphModule, pair: Pair, dimensions: Mapping[str, int] = {}) -> bool:
    """Merge `pair` in place, and tell whether it is one layer now: it stays where others read it."""
    before = len(built.graph.nodes)
    try:
        merge_rows(built, [pair], dimensions)
    except UsageError:
        return False
    return len(built.graph.nodes) < before


def merge_all(built: fx.GraphModule, dimensions: Mapping[str, int] = {}) -> list[Pair]:
    """Merge in place until no pair is left that can be; return the pairs in the order in which they were merged."""
    done: list[Pair] = []
    refused: set[tuple[nn.Module, ...]] = set()
    while (pair := _next(built, dimensions, refused)) is not None:
        modules = _modules(built, pair)
        if merges(built, pair, dimensions):
            done.append(pair)
        else:
            refused.add(modules)
    return done


def _next(built: fx.GraphModule, dimensions: Mapping[str, int], refused: set[tuple[nn.Module, ...]]) -> Pair | None:
    every = adjacent(built, dimensions)
    return next((pair for pair in every if _modules(built, pair) not in refused), None)


def _modules(built: fx.GraphModule, names: Pair) -> tuple[nn.Module, nn.Module]:
    first, second = map(built.get_submodule, names)
    return first, second
