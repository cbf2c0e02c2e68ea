"""Following units through elementwise operations, reductions and pooling."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, fx

from archdial.networks.graph.widths.labels import Labels, Number, merged, stretched
from archdial.networks.graph.widths.spread import Rule, Spread, argument
from archdial.networks.graph.widths.ties import core


def elementwise(spread: Spread, node: fx.Node) -> Any:
    """Follow what computes each element of one or several tensors by itself; anything else is pinned."""
    for source in node.all_input_nodes:
        if not isinstance(spread.states.get(source), Labels):
            spread.pin(spread.states.get(source))
    operands = [spread.labels(source) for source in _tensors(spread, node)]
    if not isinstance(spread.captured.flow[node], Tensor):
        spread.pin_inputs(node)
        return None
    shape = spread.shape(node)
    if not operands or _broadcast(operands) != shape:
        spread.pin_inputs(node)
        return Labels(shape)
    return spread.made(shape, merged(spread.ties, operands, shape))


def _tensors(spread: Spread, node: fx.Node) -> Iterable[fx.Node]:
    return [source for source in node.all_input_nodes if isinstance(spread.captured.flow[source], Tensor)]


def _broadcast(operands: Iterable[Labels]) -> tuple[int, ...] | None:
    try:
        return tuple(torch.broadcast_shapes(*(one.shape for one in operands)))
    except RuntimeError:
        return None


def passed(spread: Spread, node: fx.Node) -> Any:
    """Follow what gives its first argument as it is."""
    shape = spread.shape(node)
    labels = spread.labels(node.args[0])
    return labels if labels.shape == shape else Labels(shape)


def fixed(spread: Spread, node: fx.Node) -> Any:
    """Follow what takes nothing over but the shape of its first argument."""
    value = spread.captured.flow[node]
    return Labels(tuple(value.shape)) if isinstance(value, Tensor) else None


def mixing(spread: Spread, labels: Labels, dimensions: Iterable[int], shape: tuple[int, ...]) -> Labels:
    """Return what becomes of `labels` where all along `dimensions` is mixed, and these have other sizes or are gone."""
    places = sorted({dimension % len(labels.shape) for dimension in dimensions})
    for layer in labels.layers:
        spread.ties.mix(layer, places)
    known = spread.made(labels.shape, labels.layers)
    gone = len(shape) < len(labels.shape)
    fitting = len(labels.shape) - len(shape) == (len(places) if gone else 0)
    if not fitting:
        spread.pin(known)
        return Labels(shape)
    return spread.made(shape, [stretched(layer, places, shape) for layer in known.layers])


def reduction(spread: Spread, node: fx.Node) -> Any:
    """Follow a mean, a sum, a softmax …: along its dimensions nothing may be cut."""
    if node.kwargs.get("ord") is not None or (_is_norm(node) and len(node.args) > 1):
        dimensions = argument(node, 2, "dim")
    else:
        dimensions = argument(node, 1, "dim")
    return _reduced(spread, node, spread.value(dimensions))


def _is_norm(node: fx.Node) -> bool:
    return "norm" in str(node.target)


def _reduced(spread: Spread, node: fx.Node, dimensions: Any) -> Any:
    labels = spread.labels(node.args[0])
    if isinstance(dimensions, int):
        dimensions = (dimensions,)
    elif not isinstance(dimensions, tuple | list) or not dimensions:
        dimensions = tuple(range(len(labels.shape)))
    value = spread.captured.flow[node]
    if isinstance(value, tuple | list):
        results = [mixing(spread, labels, dimensions, tuple(one.shape)) for one in value]
        return tuple(results)
    return mixing(spread, labels, dimensions, spread.shape(node))


def spatial(dimensions: int | None = None) -> Rule:
    """Return the rule of what mixes the last `dimensions`, or all after the second, and keeps (n, c)."""

    def rule(spread: Spread, node: fx.Node) -> Any:
        source = node.args[0] if node.args else next(iter(node.all_input_nodes))
        labels = spread.labels(source)
        count = len(labels.shape) - 2 if dimensions is None else dimensions
        places = range(max(0, len(labels.shape) - count), len(labels.shape))
        value = spread.captured.flow[node]
        if isinstance(value, tuple | list):
            return tuple(mixing(spread, labels, places, tuple(one.shape)) for one in value)
        return mixing(spread, labels, places, spread.shape(node))

    return rule


def halves(spread: Spread, labels: Labels, dimension: int, shape: tuple[int, ...]) -> Labels:
    """Return what a gated linear unit gives: the halves along `dimension` are tied."""
    layers = []
    for layer in labels.layers:
        one, other = layer.chunk(2, dimension)
        spread.ties.tie(one, other)
        layers.append(one)
    return spread.made(shape, layers)


def gated(spread: Spread, node: fx.Node) -> Any:
    """Follow the function `glu`."""
    dimension = argument(node, 1, "dim", -1)
    return halves(spread, spread.labels(node.args[0]), dimension, spread.shape(node))


def number(spread: Spread, node: fx.Node) -> Any:
    """Follow a number, or several, that come from shapes."""
    ids: list[Tensor] = []
    for source in node.all_input_nodes:
        state = spread.states.get(source)
        if isinstance(state, Labels):
            spread.pin(state)
        else:
            ids += _numbers(state)
    return Number(torch.cat(ids)) if ids else None


def _numbers(state: Any) -> list[Tensor]:
    if isinstance(state, Number):
        return [state.ids]
    if isinstance(state, tuple | list):
        return [ids for one in state for ids in _numbers(one)]
    return []


def sizes(spread: Spread, node: fx.Node) -> Any:
    """Follow a shape, or the size of one dimension."""
    labels = spread.labels(node.args[0])
    found = [Number(_along(spread, labels, d)) for d in range(len(labels.shape))]
    if isinstance(spread.captured.flow[node], int):
        return found[argument(node, 1, "dim")]
    return tuple(found)


def _along(spread: Spread, labels: Labels, dimension: int) -> Tensor:
    ids = [spread.ties.lean(layer) for layer in labels.layers if dimension in spread.ties.varying(layer)]
    return torch.cat([core(one).flatten() for one in ids]) if ids else torch.zeros(0, dtype=torch.long)


def dimensions_of(name: str) -> int | None:
    """Return of how many dimensions what is named so is; None where the name does not tell."""
    return next((count for count in (1, 2, 3) if f"{count}d" in name.lower()), None)
