"""Shared by layers: sums over a dimension, groups of channels, weights that flow, and fixed dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from archdial.networks.graph.widths.labels import Labels, stretched
from archdial.networks.graph.widths.spread import Spread
from archdial.networks.graph.widths.ties import Ties, first_along, laid_along


@dataclass(frozen=True)
class Weights:
    """Ids (n,) along the dimensions of weights that take in and give out; None for what is always one and the same."""

    into: Tensor | None
    out: Tensor


def contracted(
    spread: Spread, labels: Labels, dimension: int, others: Sequence[int], weights: Weights, shape: tuple[int, ...]
) -> tuple[Labels, bool]:
    """Return what a layer gives that sums over `dimension`, and mixes `others`; and whether what it sums over varies.

    A unit that is computed by itself, as a head that shares its weights with others, leaves them fixed.
    """
    results, met = [laid_along(weights.out, dimension, shape)], False
    for layer in labels.layers:
        spread.ties.mix(layer, others)
        own = spread.ties.varying(layer)
        if own == {dimension} and not met and weights.into is not None:
            spread.ties.tie(vector(layer, dimension), weights.into)
            met = True
            continue
        spread.ties.mix(layer, (dimension,))
        results.append(stretched(spread.ties.lean(layer), (dimension, *others), shape))
    if not met and weights.into is not None:
        spread.ties.pin(weights.into)
    return spread.made(shape, results), met


def vector(layer: Tensor, dimension: int) -> Tensor:
    """Return the ids (n,) of a layer along the one dimension that it varies along."""
    return first_along(layer, [d for d in range(layer.dim()) if d != dimension % layer.dim()]).flatten()


def grouped(spread: Spread, labels: Labels, out: Tensor, groups: int, shape: tuple[int, ...]) -> Labels:
    """Return what a grouped convolution gives: each of its groups is one unit, all it takes in and gives out."""
    ties, met, results = spread.ties, False, []
    rows = out.view(groups, -1)
    ties.tie(rows, rows[:, :1])
    for layer in labels.layers:
        ties.mix(layer, range(2, len(labels.shape)))
        if 1 in ties.varying(layer):
            ties.tie_along(layer, [0])
            given = vector(layer, 1).view(groups, -1)
            ties.tie(given, rows[:, :1])
            met = True
        else:
            places = range(1, len(shape))
            results.append(stretched(ties.lean(layer), places, shape))
    if not met:
        ties.pin(out)
    return spread.made(shape, [laid_along(out, 1, shape), *results])


def along(ties: Ties, labels: Labels, dimension: int) -> Tensor:
    """Return the ids (n,) along `dimension`, zeros where all is fixed; what varies along others too is tied there."""
    for layer in labels.layers:
        own = ties.varying(layer)
        if dimension in own:
            ties.tie_along(layer, own - {dimension})
            return vector(layer, dimension)
    return torch.zeros(labels.shape[dimension], dtype=torch.long)


def pinned(spread: Spread, node: fx.Node) -> Any:
    """Follow nothing: what `node` reads is fixed, and what it gives."""
    spread.pin_inputs(node)
    return plain(spread.captured.flow[node])


def plain(value: Any) -> Any:
    """Return the labels of a value, or of several, of which all is fixed."""
    if isinstance(value, tuple | list):
        return tuple(plain(one) for one in value)
    return Labels(tuple(value.shape)) if isinstance(value, Tensor) else None


def summed(spread: Spread, weight: fx.Node, ids: Tensor) -> None:
    """Note that `ids` are summed over in what `weight` is computed from."""
    for source in sources(weight):
        spread.summed.append((source, ids))


def sources(node: fx.Node) -> list[fx.Node]:
    """Return the parameters and buffers that `node` is computed from."""
    if node.op == "get_attr":
        return [node]
    return list(dict.fromkeys(found for one in node.all_input_nodes for found in sources(one)))


def source_of(node: fx.Node) -> str:
    """Return the path of the first parameter that `node` is computed from."""
    found = sources(node)
    return str(found[0].target) if found else node.name


def is_constant(node: Any) -> bool:
    """Tell whether `node` is computed from parameters and buffers alone."""
    if not isinstance(node, fx.Node):
        return False
    return node.op == "get_attr" or (bool(node.all_input_nodes) and all(map(is_constant, node.all_input_nodes)))
