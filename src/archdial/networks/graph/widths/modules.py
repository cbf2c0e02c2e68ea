"""Which rule follows units through which module."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from archdial.networks.graph.widths.elementwise import dimensions_of, halves, mixing, spatial
from archdial.networks.graph.widths.labels import Labels
from archdial.networks.graph.widths.layers import (
    batch_norm,
    convolution,
    embedding,
    group_norm,
    layer_norm,
    linear,
    parametric_relu,
    transposed_linear,
)
from archdial.networks.graph.widths.movement import padded
from archdial.networks.graph.widths.recurrent import recurrent
from archdial.networks.graph.widths.spread import Spread
from archdial.networks.graph.widths.sums import pinned, vector

_EXPECTED = {"weight", "bias"}
"""Parameters that the rules know of."""


def of_module(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow units through the call of a leaf module."""
    if str(node.target) in spread.captured.opaque or any(True for _ in module.children()):
        return pinned(spread, node)
    if isinstance(module, nn.RNNBase):
        return recurrent(spread, node, module)
    if not isinstance(spread.captured.flow[node], Tensor) or module._forward_pre_hooks:
        return pinned(spread, node)
    for kinds, rule in _MODULES:
        if isinstance(module, kinds) and set(module._parameters) <= _EXPECTED:
            return rule(spread, node, module)
    if type(module).__name__ == "Conv1D" and hasattr(module, "nf"):
        return transposed_linear(spread, node, module)
    return _unknown(spread, node, module)


def _pooled(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    return spatial(dimensions_of(type(module).__name__))(spread, node)


def _upsampled(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    return spatial()(spread, node)


def _same(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    return spread.labels(node.all_input_nodes[0])


def _glu(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    return halves(spread, spread.labels(node.args[0]), cast(int, module.dim), spread.shape(node))


def _softmax(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    labels = spread.labels(node.args[0])
    if module.dim is None:
        return pinned(spread, node)
    return mixing(spread, labels, [cast(int, module.dim)], labels.shape)


def _padding(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    amounts = cast(Any, module.padding)
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    # Padding by what stands at the border, or in a circle, mixes what it pads along.
    if not isinstance(module, nn.ConstantPad1d | nn.ConstantPad2d | nn.ConstantPad3d):
        return spatial(len(amounts) // 2)(spread, node)
    return padded(spread, labels, amounts, shape)


def _moving(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Follow a module that moves elements, by doing that to the layers."""
    labels, shape = spread.labels(node.args[0]), spread.shape(node)
    if isinstance(module, nn.ChannelShuffle):
        inside = (labels.shape[0], module.groups, -1, *labels.shape[2:])
        layers = [layer.reshape(inside) for layer in labels.layers]
        spread.beside += [Labels(tuple(layer.shape), (layer,)) for layer in layers]
        return spread.made(shape, [layer.transpose(1, 2).reshape(shape) for layer in layers])
    return spread.made(shape, [module(layer) for layer in labels.layers])


def _unknown(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    """Take a module for elementwise, its parameters along what units vary along: whether it is gets tested later."""
    sources = [one for one in node.all_input_nodes if isinstance(spread.captured.flow[one], Tensor)]
    labels, shape = spread.labels(sources[0]) if sources else Labels(()), spread.shape(node)
    if len(sources) != 1 or labels.shape != shape:
        return pinned(spread, node)
    if len(labels.layers) > 1 and (module._parameters or module._buffers):
        return pinned(spread, node)
    for layer in labels.layers:
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            if not _hold_unknown(spread, node, module, name, tensor, layer):
                return pinned(spread, node)
    return labels


def _hold_unknown(spread: Spread, node: fx.Node, module: nn.Module, name: str, tensor: Tensor, layer: Tensor) -> bool:
    """Tie what a parameter has along the dimension that `layer` varies along; tell whether it has that."""
    if tensor.numel() == 1:
        return True
    own = spread.ties.varying(layer)
    if len(own) > 1:
        spread.ties.tie_along(layer, own - {max(own)})
    count = layer.shape[max(own)] if own else 0
    places = [d for d, size in enumerate(tensor.shape) if size == count]
    if len(places) != 1 or tensor.numel() != count:
        return False
    spread.hold(node, module, name, places[0], vector(layer, max(own)))
    return True


_MODULES: list[tuple[Any, Any]] = [
    (nn.Linear, linear),
    (_ConvNd, convolution),
    ((_BatchNorm, _InstanceNorm), batch_norm),
    (nn.GroupNorm, group_norm),
    ((nn.LayerNorm, nn.RMSNorm), layer_norm),
    (nn.PReLU, parametric_relu),
    (nn.Embedding, embedding),
    ((nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), _same),
    ((nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.PixelUnshuffle, nn.ChannelShuffle), _moving),
    (nn.GLU, _glu),
    ((nn.Softmax, nn.LogSoftmax, nn.Softmin), _softmax),
    ((nn.Upsample,), _upsampled),
    (
        tuple(
            getattr(nn, f"{kind}{n}d")
            for kind in ("MaxPool", "AvgPool", "AdaptiveAvgPool", "AdaptiveMaxPool")
            for n in (1, 2, 3)
        ),
        _pooled,
    ),
    (tuple(getattr(nn, f"{kind}Pad{n}d") for kind in ("Constant", "Zero", "Reflection", "Replication") for n in (1, 2)),
     _padding),
]  # fmt: skip
