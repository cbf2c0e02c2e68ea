"""Products of tensors that flow, attention above all: whole heads are units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx

from archdial.networks.graph.widths.group import ATTENTION, LINEAR
from archdial.networks.graph.widths.labels import Labels, merged
from archdial.networks.graph.widths.spread import Out, Spread, argument
from archdial.networks.graph.widths.sums import is_constant, pinned, source_of, summed
from archdial.networks.graph.widths.ties import core, first_along


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
    before = "".join(chr(ord("A") + number) for number in range(len(shape) - 2))
    left, right = (before[len(before) + 2 - len(side.shape) :] for side in sides)
    return _summed(spread, ((one, f"{left}mk"), (other, f"{right}kn")), f"{before}mn", shape)


def einsum(spread: Spread, node: fx.Node) -> Any:
    """Follow a sum of products of two tensors."""
    equation, *operands = node.args
    if len(operands) == 1 and isinstance(operands[0], list | tuple):
        operands = list(operands[0])
    taken, _, given = str(equation).replace(" ", "").partition("->")
    letters = taken.split(",")
    plain = given and "." not in taken and all(len(set(one)) == len(one) for one in letters)
    if len(operands) != 2 or not plain:
        return pinned(spread, node)
    return _summed(spread, tuple(zip(operands, letters, strict=True)), given, spread.shape(node))


def _summed(spread: Spread, sides: Sequence[tuple[Any, str]], given: str, shape: tuple[int, ...]) -> Labels:
    """Return what a sum of products of two tensors gives, whose dimensions have letters."""
    shared = "".join(letter for letter in given if all(letter in own for _, own in sides))
    batch, free, over = [], [], []
    for node, own in sides:
        labels = spread.labels(node)
        units, others, along_sum = _sorted(spread, labels, own, shared, given)
        placed = tuple(_placed(layer, own, given) for layer in units)
        batch.append(Labels(_sizes(labels.shape, own, shared, given), placed))
        free += [_placed(layer, own, given).expand(shape) for layer in others]
        over.append((node, own, along_sum))
    _settle_sum(spread, over, given)
    return spread.made(shape, [*merged(spread.ties, batch, shape), *free])


def _sorted(
    spread: Spread, labels: Labels, own: str, shared: str, given: str
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return the layers of an operand whose units are whole matrices, that flow on, and that are summed over."""
    units, others, over = [], [], []
    summed_dims = {place for place, letter in enumerate(own) if letter not in given}
    for layer in labels.layers:
        if spread.ties.varying(layer) & {own.index(letter) for letter in shared if letter in own}:
            within = {place for place, letter in enumerate(own) if letter not in shared}
            spread.ties.mix(layer, within)
            spread.mark(ATTENTION, layer)
            units.append(first_along(spread.ties.lean(layer), within))
        elif spread.ties.varying(layer) <= summed_dims:
            over.append(layer)
        else:
            spread.ties.mix(layer, summed_dims)
            others.append(first_along(spread.ties.lean(layer), summed_dims))
    return units, others, over


def _placed(layer: Tensor, own: str, given: str) -> Tensor:
    """Return a layer with its dimensions in the order of the result, size 1 where it has none."""
    over = [place for place, letter in enumerate(own) if letter not in given]
    layer = first_along(layer, over)
    kept = [own.index(letter) for letter in given if letter in own]
    return layer.permute(*kept, *over).reshape([layer.shape[own.index(x)] if x in own else 1 for x in given])


def _sizes(sizes: tuple[int, ...], own: str, shared: str, given: str) -> tuple[int, ...]:
    return tuple(sizes[own.index(letter)] if letter in own and letter in shared else 1 for letter in given)


def _settle_sum(spread: Spread, sides: Sequence[tuple[Any, str, list[Tensor]]], given: str) -> None:
    """Tie what is summed over with the weights on the other side; without weights it is fixed."""
    weights = [side for side in sides if is_constant(side[0])]
    if len(weights) != 1 or not all(len(layers) == 1 for _, _, layers in sides):
        for _, _, layers in sides:
            for layer in layers:
                spread.ties.pin(layer)
        _note_out(spread, weights, given)
        return
    one, other = (core(layers[0]).flatten() for _, _, layers in sides)
    if len(one) != len(other):
        spread.ties.pin(one)
        spread.ties.pin(other)
        return
    spread.ties.tie(one, other)
    summed(spread, weights[0][0], one)
    _note_out(spread, weights, given)


def _note_out(spread: Spread, weights: Sequence[tuple[Any, str, list[Tensor]]], given: str) -> None:
    """Note what weights give out that they are multiplied with."""
    for node, own, _ in weights[:1]:
        labels = spread.labels(node)
        for layer in labels.layers:
            if spread.ties.varying(layer) & {own.index(letter) for letter in given if letter in own}:
                spread.outs.append(Out(source_of(node), LINEAR, core(layer).flatten()))


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


def _lifted(labels: Labels, count: int) -> Labels:
    before = count - len(labels.shape)
    shape = (1,) * before + labels.shape
    return Labels(shape, tuple(layer[(None,) * before] for layer in labels.layers))


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
