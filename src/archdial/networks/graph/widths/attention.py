"""Products of tensors that flow, attention above all: whole heads are units."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx

from archdial.networks.graph.widths.group import ATTENTION, LINEAR
from archdial.networks.graph.widths.labels import Labels, merged
from archdial.networks.graph.widths.layers import along, is_constant, pinned, source_of, summed
from archdial.networks.graph.widths.spread import Out, Spread, argument
from archdial.networks.graph.widths.ties import first_along


def product(spread: Spread, node: fx.Node) -> Any:
    """Follow `matmul`, `bmm` and `mm`."""
    one, other = node.args[0], argument(node, 1, "mat2", node.kwargs.get("other"))
    return _product(spread, node, one, other, spread.shape(node))


def product_and_sum(spread: Spread, node: fx.Node) -> Any:
    """Follow `addmm` and `baddbmm`: the first argument is added to the product of the others."""
    added, one, other = node.args[:3]
    shape = spread.shape(node)
    product = _product(spread, node, one, other, shape)
    return spread.made(shape, merged(spread.ties, [product, spread.labels(added)], shape))


def _product(spread: Spread, node: fx.Node, one: Any, other: Any, shape: tuple[int, ...]) -> Labels:
    sides = [spread.labels(one), spread.labels(other)]
    if min(len(side.shape) for side in sides) < 2:
        result: Labels = pinned(spread, node)
        return result
    count = len(shape)
    left, right = (_lifted(side, count) for side in sides)
    batch = _batch(spread, [left, right], shape)
    _settle_sum(spread, (one, left, count - 1), (other, right, count - 2))
    rows = _free(spread, left, count - 1, shape)
    columns = _free(spread, right, count - 2, shape)
    return spread.made(shape, [*batch, *rows, *columns])


def _lifted(labels: Labels, count: int) -> Labels:
    before = count - len(labels.shape)
    shape = (1,) * before + labels.shape
    return Labels(shape, tuple(layer[(None,) * before] for layer in labels.layers))


def _batch(spread: Spread, sides: list[Labels], shape: tuple[int, ...]) -> list[Tensor]:
    """Return the layers of the result that vary from matrix to matrix: each matrix is one unit."""
    count = len(shape)
    own = []
    for side in sides:
        layers = [layer for layer in side.layers if min(spread.ties.varying(layer), default=count) < count - 2]
        for layer in layers:
            spread.ties.mix(layer, (count - 2, count - 1))
            spread.mark(ATTENTION, layer)
        own.append(Labels((*side.shape[:-2], 1, 1), tuple(first_along(x, (count - 2, count - 1)) for x in layers)))
    return merged(spread.ties, own, shape)


def _settle_sum(spread: Spread, left: tuple[Any, Labels, int], right: tuple[Any, Labels, int]) -> None:
    """Tie what is summed over with the weights on the other side; without weights it is fixed."""
    varying = [[x for x in side.layers if place in spread.ties.varying(x)] for _, side, place in (left, right)]
    weights = [node for node, _, _ in (left, right) if is_constant(node)]
    if len(weights) != 1 or not all(len(side) == 1 for side in varying):
        for layer in [*varying[0], *varying[1]]:
            spread.ties.pin(layer)
        return
    ids = along(spread.ties, left[1], left[2])
    spread.ties.tie(ids, along(spread.ties, right[1], right[2]))
    summed(spread, weights[0], ids)
    at = 0 if weights[0] is left[0] else 1
    side, place = ((left, right)[at])[1:]
    free = len(side.shape) - 2 + (place == len(side.shape) - 2)
    spread.outs.append(Out(source_of(weights[0]), LINEAR, along(spread.ties, side, free)))


def _free(spread: Spread, side: Labels, place: int, shape: tuple[int, ...]) -> list[Tensor]:
    """Return the layers of the result that vary along what is not summed over."""
    free = len(shape) - 2 + (place == len(shape) - 2)
    layers = [layer for layer in side.layers if spread.ties.varying(layer) == {free}]
    return [first_along(spread.ties.lean(layer), (place,)).expand(shape) for layer in layers]


def attention(spread: Spread, node: fx.Node) -> Any:
    """Follow `scaled_dot_product_attention` of q, k, v (…, h, t, d): a head is a unit."""
    shape = spread.shape(node)
    heads = len(shape) - 3
    query, key, value = (spread.labels(source) for source in node.args[:3])
    if heads < 0 or shape[heads] == 1:
        return _one_head(spread, node, value, shape)
    operands = [_whole(spread, one) for one in (query, key, value)]
    operands = [_repeated(one, heads, shape[heads]) for one in operands]
    mask = argument(node, 3, "attn_mask")
    if isinstance(mask, fx.Node):
        operands.append(_whole(spread, _lifted(spread.labels(mask), len(shape))))
    layers = merged(spread.ties, operands, (*shape[:-2], 1, 1))
    return spread.made(shape, [layer.expand(shape) for layer in layers])


def _whole(spread: Spread, labels: Labels) -> Labels:
    """Tie each matrix (t, d) of `labels`, and return the first elements of all."""
    last = (len(labels.shape) - 2, len(labels.shape) - 1)
    for layer in labels.layers:
        spread.ties.mix(layer, last)
        spread.mark(ATTENTION, layer)
    return Labels((*labels.shape[:-2], 1, 1), tuple(first_along(layer, last) for layer in labels.layers))


def _repeated(labels: Labels, heads: int, count: int) -> Labels:
    """Repeat each head of the keys as often as there are more heads of queries."""
    times = count // labels.shape[heads]
    if times == 1 or labels.shape[heads] == 1:
        return labels
    shape = tuple(count if d == heads else size for d, size in enumerate(labels.shape))
    return Labels(shape, tuple(layer.repeat_interleave(times, heads) for layer in labels.layers))


def _one_head(spread: Spread, node: fx.Node, value: Labels, shape: tuple[int, ...]) -> Labels:
    """Follow attention with a single head: what is summed over is fixed, and each channel of the values a unit."""
    for source in node.all_input_nodes:
        if source is not node.args[2]:
            spread.pin(spread.states.get(source))
    for layer in value.layers:
        spread.ties.mix(layer, (len(shape) - 2,))
    kept = spread.made(value.shape, value.layers)
    return spread.made(shape, [first_along(layer, (len(shape) - 2,)).expand(shape) for layer in kept.layers])


__all__ = ["attention", "product", "product_and_sum", "torch"]
