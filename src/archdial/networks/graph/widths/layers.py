"""Layers with weights: what their dimensions have in common with what flows through."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn

from archdial.networks.graph.widths.group import CONVOLUTION, LINEAR, STREAM
from archdial.networks.graph.widths.labels import Labels
from archdial.networks.graph.widths.norms import normalises_a_stream
from archdial.networks.graph.widths.spread import Out, Spread
from archdial.networks.graph.widths.sums import Weights, along, contracted, grouped, pinned
from archdial.networks.graph.widths.ties import laid_along


def linear(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow `nn.Linear`."""
    labels, shape = _input(spread, node), spread.shape(node)
    weights = Weights(spread.hold(node, module, "weight", 1), spread.hold(node, module, "weight", 0))
    return _with_weights(spread, node, module, labels, len(shape) - 1, weights, shape, LINEAR)


def transposed_linear(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow the Conv1D of transformers, whose weights are (in, out)."""
    labels, shape = _input(spread, node), spread.shape(node)
    weights = Weights(spread.hold(node, module, "weight", 0), spread.hold(node, module, "weight", 1))
    return _with_weights(spread, node, module, labels, len(shape) - 1, weights, shape, LINEAR, summed=0)


def _with_weights(
    spread: Spread,
    node: fx.Node,
    module: nn.Module,
    labels: Labels,
    dimension: int,
    weights: Weights,
    shape: tuple[int, ...],
    kind: str,
    *,
    summed: int = 1,
) -> Labels:
    others = range(2, len(shape)) if dimension == 1 and kind == CONVOLUTION else ()
    result, met = contracted(spread, labels, dimension, others, weights, shape)
    if met:
        spread.sum_over(node, "weight", summed)
    if module.bias is not None:
        spread.hold(node, module, "bias", 0, weights.out)
    spread.outs.append(Out(str(node.target), kind, weights.out))
    return result


def convolution(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow a convolution, transposed ones too, of images (n, c, …) with a batch."""
    labels, shape = _input(spread, node), spread.shape(node)
    across = bool(getattr(module, "transposed", False))
    groups = int(module.groups)  # type: ignore[arg-type]
    if len(shape) != module.weight.dim():  # type: ignore[operator]
        return pinned(spread, node)
    if groups == 1:
        into, out = int(not across), int(across)
        weights = Weights(spread.hold(node, module, "weight", into), spread.hold(node, module, "weight", out))
        return _with_weights(spread, node, module, labels, 1, weights, shape, CONVOLUTION, summed=into)
    return _in_groups(spread, node, module, labels, groups, across)


def _in_groups(spread: Spread, node: fx.Node, module: nn.Module, labels: Labels, groups: int, across: bool) -> Labels:
    shape = spread.shape(node)
    first = spread.hold(node, module, "weight", 0)
    # Transposed, the weights are (in, out / groups, …): what is given out is in none of their dimensions.
    out = spread.ties.fresh(shape[1]) if across else first
    result = grouped(spread, labels, out, groups, shape)
    if across:
        spread.ties.tie(first.view(groups, -1), out.view(groups, -1)[:, :1])
    if module.bias is not None:
        spread.hold(node, module, "bias", 0, out)
    spread.outs.append(Out(str(node.target), CONVOLUTION, out))
    return result


def batch_norm(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow what normalises each channel of (n, c, …) by itself."""
    labels, shape = _input(spread, node), spread.shape(node)
    if type(module).__name__.startswith("Instance") and len(shape) < 3:
        return pinned(spread, node)
    ids = along(spread.ties, labels, 1)
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(module, name, None) is not None:
            spread.hold(node, module, name, 0, ids)
    return spread.made(shape, labels.layers)


def group_norm(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow `nn.GroupNorm`: its groups are units."""
    labels, shape = _input(spread, node), spread.shape(node)
    count = int(module.num_groups)  # type: ignore[arg-type]
    if module.weight is None:
        return pinned(spread, node)
    ids = norm_groups(spread, labels, count)
    for name in ("weight", "bias"):
        if getattr(module, name) is not None:
            spread.hold(node, module, name, 0, ids)
    return spread.made(shape, labels.layers)


def norm_groups(spread: Spread, labels: Labels, count: int) -> Tensor:
    """Return the ids of channels (c,) that are normalised in `count` groups, each of them tied."""
    for layer in labels.layers:
        spread.ties.mix(layer, range(2, len(labels.shape)))
    ids = along(spread.ties, labels, 1)
    rows = ids.view(count, -1)
    spread.ties.tie(rows, rows[:, :1])
    if count == 1:
        spread.ties.pin(ids)
    return ids


def layer_norm(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow what normalises over its last dimensions: units along them are fixed, or make a stream."""
    labels, shape = _input(spread, node), spread.shape(node)
    count = len(module.normalized_shape)  # type: ignore[arg-type]
    if spread.streams and normalises_a_stream(module) and _is_stream(spread, labels):
        return _stream(spread, node, module, labels)
    for layer in labels.layers:
        spread.ties.mix(layer, range(len(shape) - count, len(shape)))
    for name in ("weight", "bias"):
        if getattr(module, name, None) is not None:
            for dimension in range(count):
                spread.ties.pin(spread.hold(node, module, name, dimension))
    return spread.made(shape, labels.layers)


def _is_stream(spread: Spread, labels: Labels) -> bool:
    last = len(labels.shape) - 1
    return any(spread.ties.varying(layer) == {last} for layer in labels.layers)


def _stream(spread: Spread, node: fx.Node, module: nn.Module, labels: Labels) -> Labels:
    ids = along(spread.ties, labels, len(labels.shape) - 1)
    for name in ("weight", "bias"):
        if getattr(module, name, None) is not None:
            spread.hold(node, module, name, 0, ids)
    spread.sum_over(node, "weight", 0)
    spread.mark(STREAM, ids)
    return spread.made(labels.shape, labels.layers)


def parametric_relu(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow `nn.PReLU`."""
    labels, shape = _input(spread, node), spread.shape(node)
    if module.num_parameters > 1:  # type: ignore[operator]
        spread.hold(node, module, "weight", 0, along(spread.ties, labels, 1))
    return spread.made(shape, labels.layers)


def embedding(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow `nn.Embedding`: what flows on has the dimensions of its vectors."""
    shape = spread.shape(node)
    spread.pin_inputs(node)
    spread.ties.pin(spread.hold(node, module, "weight", 0))
    ids = spread.hold(node, module, "weight", 1)
    spread.outs.append(Out(str(node.target), STREAM, ids))
    return spread.made(shape, [laid_along(ids, len(shape) - 1, shape)])


def _input(spread: Spread, node: fx.Node) -> Labels:
    return spread.labels(node.all_input_nodes[0])
