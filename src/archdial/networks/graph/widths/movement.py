"""Operations that only move or copy elements do the same to their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.widths.labels import Labels, paired
from archdial.networks.graph.widths.spread import Spread, argument
from archdial.networks.graph.widths.ties import core, laid_along
from archdial.networks.node_names import function_name

MOVING = {
    "view", "reshape", "_unsafe_view", "_reshape_alias", "reshape_as", "view_as", "flatten", "unflatten", "permute",
    "transpose", "t", "T", "mT", "adjoint", "movedim", "moveaxis", "swapaxes", "swapdims", "unsqueeze", "squeeze",
    "expand", "expand_as", "broadcast_to", "repeat", "repeat_interleave", "tile", "slice", "select", "narrow", "split",
    "split_with_sizes", "chunk", "unbind", "unsafe_split", "unsafe_chunk", "tensor_split", "getitem", "cat", "concat",
    "concatenate", "stack", "roll", "flip", "index", "index_select", "pixel_shuffle", "pixel_unshuffle", "unfold",
    "slice_scatter", "select_scatter", "diagonal", "channel_shuffle", "gather", "take_along_dim", "rot90", "hstack",
    "vstack", "dstack", "numpy_T",
}  # fmt: skip
_CHOOSING = {"index", "getitem", "index_select", "gather", "take_along_dim"}


def moved(spread: Spread, node: fx.Node) -> Any:
    """Follow what moves elements of one or several tensors."""
    name = function_name(node)
    whole = spread.states.get(node.args[0]) if isinstance(node.args[0], fx.Node) else None
    if name == "getitem" and isinstance(whole, tuple | list):
        return whole[spread.value(node.args[1])]
    if name in _CHOOSING and not _settle_choice(spread, node, name):
        spread.pin_inputs(node)
        return Labels(spread.shape(node))
    if name == "expand" or name == "broadcast_to" or name == "expand_as":
        return _expanded(spread, node)
    sources = [one for one in node.all_input_nodes if isinstance(spread.states.get(one), Labels)]
    rows = paired(spread.ties, [spread.labels(source) for source in sources])
    result = _run(spread, node, sources, rows)
    if name in {"chunk", "unsafe_chunk"} or (name in {"split", "unsafe_split"} and _is_overload(node)):
        _tie_parts(spread, result, argument(node, 2, "dim", 0))
    if name in {"cat", "concat", "concatenate"}:
        return _joined(spread, result, rows, argument(node, 1, "dim", 0))
    return result


def _is_overload(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload)


def _joined(spread: Spread, result: Labels, rows: Sequence[Sequence[Tensor]], dimension: int) -> Labels:
    """Tie what stands at one place of tensors that are put behind one another along another dimension than units."""
    place = dimension % max(1, len(result.shape))
    if not any(place in spread.ties.varying(layer) for row in rows for layer in row):
        for layer in result.layers:
            spread.ties.tie_along(layer, [place])
    return spread.made(result.shape, result.layers)


def _tie_parts(spread: Spread, parts: Sequence[Labels], dimension: int) -> None:
    """Let as much stay of each part of a tensor: these calls tell how many parts there are, or one size for all."""
    found = [[layer for layer in one.layers if dimension % layer.dim() in spread.ties.varying(layer)] for one in parts]
    if len({one.shape for one in parts}) == 1 and all(found):
        for layers in found[1:]:
            spread.ties.tie(core(found[0][0]), core(layers[0]))


def _run(spread: Spread, node: fx.Node, sources: Sequence[fx.Node], rows: Sequence[Sequence[Tensor]]) -> Any:
    """Return what `node` gives on each row of layers in place of its inputs."""
    results = []
    for row in rows:
        layers = dict(zip(sources, row, strict=True))
        results.append(_call(node, lambda one, known=layers: known.get(one, spread.captured.flow[one])))
    value = spread.captured.flow[node]
    if isinstance(value, tuple | list):
        pairs = enumerate(value)
        return tuple(spread.made(tuple(one.shape), [result[place] for result in results]) for place, one in pairs)
    return spread.made(tuple(value.shape), results)


def _call(node: fx.Node, value: Any) -> Any:
    args, kwargs = fx.node.map_arg(node.args, value), fx.node.map_arg(node.kwargs, value)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _settle_choice(spread: Spread, node: fx.Node, name: str) -> bool:
    """Pin what is chosen from along a dimension by another tensor; tell whether the rest may be followed."""
    labels = spread.labels(node.args[0])
    chosen = spread.value(argument(node, 1, "indices"))
    if name in {"index_select", "gather", "take_along_dim"}:
        dimensions = {argument(node, 2 if name == "take_along_dim" else 1, "dim") % len(labels.shape)}
    else:
        entries = chosen if isinstance(chosen, tuple | list) else [chosen]
        if name == "getitem" and not any(isinstance(one, Tensor) for one in entries):
            return True
        if any(one is Ellipsis or (name == "getitem" and one is None) for one in entries):
            return False
        if any(isinstance(one, Tensor) and one.dtype == torch.bool for one in entries):
            return False
        dimensions = {place for place, one in enumerate(entries) if isinstance(one, Tensor)}
    for layer in labels.layers:
        spread.ties.mix(layer, dimensions)
    return not (name in {"gather", "take_along_dim"} and labels.layers)


def _expanded(spread: Spread, node: fx.Node) -> Any:
    """Follow copies along dimensions of size 1: where all was fixed, they are units of their own."""
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    layers = [core(layer)[(None,) * (len(shape) - layer.dim())].expand(shape) for layer in labels.layers]
    if not labels.layers and len(labels.shape) == len(shape):
        grown = [d for d, (a, b) in enumerate(zip(labels.shape, shape, strict=True)) if a == 1 < b]
        layers = [laid_along(spread.ties.fresh(shape[d]), d, shape) for d in grown]
    return spread.made(shape, layers)


def padded(spread: Spread, labels: Labels, amounts: Sequence[int], shape: tuple[int, ...]) -> Labels:
    """Return the labels of a tensor with so much before and behind its last dimensions: what is added is fixed.

    Along dimensions in which a layer does not vary what is added belongs to the unit beside it.
    """
    results = []
    for layer in labels.layers:
        own = core(spread.ties.lean(layer))
        for number, (before, behind) in enumerate(zip(amounts[::2], amounts[1::2], strict=True)):
            dimension = len(shape) - 1 - number
            if own.shape[dimension] > 1:
                zeros = [0] * (2 * number)
                own = nn.functional.pad(own, (*zeros, before, behind))
        results.append(own.expand(shape))
    return spread.made(shape, results)


def pad(spread: Spread, node: fx.Node) -> Any:
    """Follow the function `pad`."""
    amounts = spread.value(argument(node, 1, "pad"))
    return padded(spread, spread.labels(node.args[0]), amounts, spread.shape(node))
