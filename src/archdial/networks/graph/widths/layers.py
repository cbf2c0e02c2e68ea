"""Layers with weights, as modules or as functions: what their weights' dimensions have in common with what flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.choices.kinds import function_name
from archdial.networks.graph.widths.group import CONVOLUTION, LINEAR, STREAM
from archdial.networks.graph.widths.labels import Labels, stretched
from archdial.networks.graph.widths.spread import Out, Spread, argument
from archdial.networks.graph.widths.ties import Ties, core, first_along, laid_along


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
    """Return the ids (n,) along `dimension`, what varies along others too tied along those; zeros where all is fixed."""
    for layer in labels.layers:
        own = ties.varying(layer)
        if dimension in own:
            ties.tie_along(layer, own - {dimension})
            return vector(layer, dimension)
    return torch.zeros(labels.shape[dimension], dtype=torch.long)


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
        into, out = spread.hold(node, module, "weight", int(not across)), spread.hold(node, module, "weight", int(across))
        weights, summed = Weights(into, out), int(not across)
        return _with_weights(spread, node, module, labels, 1, weights, shape, CONVOLUTION, summed=summed)
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
    ids = _norm_groups(spread, labels, count)
    for name in ("weight", "bias"):
        if getattr(module, name) is not None:
            spread.hold(node, module, name, 0, ids)
    return spread.made(shape, labels.layers)


def _norm_groups(spread: Spread, labels: Labels, count: int) -> Tensor:
    for layer in labels.layers:
        spread.ties.mix(layer, range(2, len(labels.shape)))
    ids = along(spread.ties, labels, 1)
    rows = ids.view(count, -1)
    spread.ties.tie(rows, rows[:, :1])
    if count == 1:
        spread.ties.pin(ids)
    return ids


def layer_norm(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow what normalises over its last dimensions."""
    labels, shape = _input(spread, node), spread.shape(node)
    count = len(module.normalized_shape)  # type: ignore[arg-type]
    over = list(range(len(shape) - count, len(shape)))
    for layer in labels.layers:
        spread.ties.mix(layer, over)
    for name in ("weight", "bias"):
        if getattr(module, name, None) is not None:
            for dimension in range(count):
                spread.ties.pin(spread.hold(node, module, name, dimension))
    return spread.made(shape, labels.layers)


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


def pinned(spread: Spread, node: fx.Node) -> Any:
    """Follow nothing: what `node` reads is fixed, and what it gives."""
    spread.pin_inputs(node)
    return plain(spread.captured.flow[node])


def plain(value: Any) -> Any:
    """Return the labels of a value, or of several, of which all is fixed."""
    if isinstance(value, tuple | list):
        return tuple(plain(one) for one in value)
    return Labels(tuple(value.shape)) if isinstance(value, Tensor) else None


def _input(spread: Spread, node: fx.Node) -> Labels:
    return spread.labels(node.all_input_nodes[0])


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
    return node.op == "get_attr" or bool(node.all_input_nodes) and all(map(is_constant, node.all_input_nodes))


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
    ids = _norm_groups(spread, labels, argument(node, 1, "num_groups"))
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


ModuleRule = Callable[[Spread, fx.Node, nn.Module], Any]
__all__ = ["ModuleRule", "core"]
