"""Layers as functions, whose weights are tensors that flow."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx

from archdial.networks.graph.widths.group import CONVOLUTION, LINEAR, STREAM
from archdial.networks.graph.widths.layers import norm_groups
from archdial.networks.graph.widths.spread import Out, Spread, argument
from archdial.networks.graph.widths.sums import Weights, along, contracted, grouped, pinned, source_of, summed
from archdial.networks.graph.widths.ties import laid_along
from archdial.networks.node_names import function_name


def linear_function(spread: Spread, node: fx.Node) -> Any:
    """Follow the function `linear`."""
    weight, bias = argument(node, 1, "weight"), argument(node, 2, "bias")
    return _functional(spread, node, node.args[0], weight, bias, 1, -1, LINEAR)


def convolution_function(spread: Spread, node: fx.Node) -> Any:
    """Follow the functions `conv1d` … without groups, or with one for each."""
    weight, bias, groups = argument(node, 1, "weight"), argument(node, 2, "bias"), argument(node, 6, "groups", 1)
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    if function_name(node) not in {"conv1d", "conv2d", "conv3d"} or len(shape) != len(spread.shape(weight)):
        return pinned(spread, node)
    if groups == 1:
        return _functional(spread, node, node.args[0], weight, bias, 1, 1, CONVOLUTION)
    known = spread.labels(weight)
    for layer in known.layers:
        spread.ties.mix(layer, range(1, len(shape)))
    out = along(spread.ties, known, 0)
    result = grouped(spread, labels, out, groups, shape)
    _of_bias(spread, bias, out)
    spread.outs.append(Out(source_of(weight), CONVOLUTION, out))
    return result


def _functional(
    spread: Spread, node: fx.Node, source: Any, weight: fx.Node, bias: Any, into: int, dimension: int, kind: str
) -> Any:
    """Follow a layer whose weight (out, in, …) is a tensor that flows."""
    labels, shape, known = spread.labels(source), spread.shape(node), spread.labels(weight)
    for layer in known.layers:
        spread.ties.mix(layer, range(2, len(known.shape)))
    weights = Weights(along(spread.ties, known, into), along(spread.ties, known, 1 - into))
    others = range(2, len(shape)) if kind == CONVOLUTION else ()
    result, met = contracted(spread, labels, dimension % len(shape), others, weights, shape)
    _of_bias(spread, bias, weights.out)
    if met and weights.into is not None:
        summed(spread, weight, weights.into)
    spread.outs.append(Out(source_of(weight), kind, weights.out))
    return result


def _of_bias(spread: Spread, bias: Any, out: Tensor) -> None:
    if isinstance(bias, fx.Node):
        spread.ties.tie(along(spread.ties, spread.labels(bias), 0), out)


def layer_norm_function(spread: Spread, node: fx.Node) -> Any:
    """Follow the functions `layer_norm` and `rms_norm`."""
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    count = len(spread.value(argument(node, 1, "normalized_shape")))
    for source in node.all_input_nodes[1:]:
        spread.pin(spread.states.get(source))
    for layer in labels.layers:
        spread.ties.mix(layer, range(len(shape) - count, len(shape)))
    return spread.made(shape, labels.layers)


def group_norm_function(spread: Spread, node: fx.Node) -> Any:
    """Follow the function `group_norm`."""
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    ids = norm_groups(spread, labels, argument(node, 1, "num_groups"))
    for source in node.all_input_nodes[1:]:
        spread.ties.tie(along(spread.ties, spread.labels(source), 0), ids)
    return spread.made(shape, labels.layers)


def batch_norm_function(spread: Spread, node: fx.Node) -> Any:
    """Follow the functions `batch_norm` and `instance_norm`, whose weights are tensors (c,)."""
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    ids = along(spread.ties, labels, 1)
    for source in node.all_input_nodes[1:]:
        spread.ties.tie(along(spread.ties, spread.labels(source), 0), ids)
    return spread.made(shape, labels.layers)


def embedding_function(spread: Spread, node: fx.Node) -> Any:
    """Follow the function `embedding`."""
    weight, shape = node.args[0], spread.shape(node)
    assert isinstance(weight, fx.Node)
    known = spread.labels(weight)
    for layer in known.layers:
        spread.ties.mix(layer, (0,))
    ids = along(spread.ties, known, 1)
    spread.outs.append(Out(source_of(weight), STREAM, ids))
    return spread.made(shape, [laid_along(ids, len(shape) - 1, shape)])
