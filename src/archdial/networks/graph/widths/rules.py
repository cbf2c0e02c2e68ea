"""Which rule follows units through which node."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from archdial.networks.graph.choices.kinds import function_name
from archdial.networks.graph.widths.attention import attention, einsum, product, product_and_sum
from archdial.networks.graph.widths.elementwise import (
    elementwise, fixed, gated, halves, mixing, number, passed, reduction, sizes, spatial,
)  # fmt: skip
from archdial.networks.graph.widths.labels import Labels, Number, is_number
from archdial.networks.graph.widths.layers import (
    batch_norm, batch_norm_function, convolution, convolution_function, embedding, embedding_function, group_norm,
    group_norm_function, layer_norm, layer_norm_function, linear, linear_function, parametric_relu, pinned, plain,
    transposed_linear,
)  # fmt: skip
from archdial.networks.graph.widths.movement import MOVING, moved, pad, padded
from archdial.networks.graph.widths.recurrent import recurrent
from archdial.networks.graph.widths.spread import Rules, Spread, argument

_PASSED = ("contiguous", "clone", "detach", "alias", "to", "_to_copy", "lift_fresh_copy", "lift_fresh", "float", "half",
           "double", "bfloat16", "type", "type_as", "dropout", "alpha_dropout", "feature_dropout", "dropout1d",
           "dropout2d", "dropout3d", "zeros_like", "ones_like", "full_like", "empty_like", "native_dropout", "requires_grad_", "cpu", "cuda")  # fmt: skip
_FIXED = ("rand_like", "randn_like", "new_zeros", "new_ones",
          "new_full", "new_empty", "zeros", "ones", "full", "arange", "empty")  # fmt: skip
_REDUCTIONS = ("mean", "sum", "amax", "amin", "max", "min", "prod", "std", "var", "norm", "linalg_vector_norm",
               "logsumexp", "softmax", "_softmax", "log_softmax", "_log_softmax", "softmin", "cumsum", "cumprod",
               "argmax", "argmin", "median", "any", "all", "logcumsumexp", "sort", "argsort", "normalize",
               "var_mean", "std_mean")  # fmt: skip
FUNCTIONS: Rules = {
    **dict.fromkeys(MOVING, moved),
    **dict.fromkeys(_PASSED, passed),
    **dict.fromkeys(_FIXED, fixed),
    **dict.fromkeys(_REDUCTIONS, reduction),
    **dict.fromkeys(("matmul", "bmm", "mm", "__matmul__"), product),
    **dict.fromkeys(("addmm", "baddbmm"), product_and_sum),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution_function),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm_function),
    **dict.fromkeys(("batch_norm",), batch_norm_function),
    "einsum": einsum,
    "linear": linear_function,
    "group_norm": group_norm_function,
    "embedding": embedding_function,
    "scaled_dot_product_attention": attention,
    "glu": gated,
    "pad": pad,
    "constant_pad_nd": pad,
}
_POOLING = ("avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool", "lp_pool")


def follow(spread: Spread) -> None:
    """Follow units through the whole graph of `spread`."""
    for node in spread.captured.graph.nodes:
        spread.states[node] = _state(spread, node)


def _state(spread: Spread, node: fx.Node) -> Any:
    value = spread.captured.flow[node]
    if node.op == "placeholder":
        return plain(value)
    if node.op == "get_attr":
        return spread.of_attribute(node) if isinstance(value, Tensor) else None
    if node.op == "output":
        return spread.pin_inputs(node)
    if node.op == "call_module":
        return _of_module(spread, node, spread.captured.root.get_submodule(str(node.target)))
    return _of_function(spread, node, function_name(node), value)


def _of_function(spread: Spread, node: fx.Node, name: str, value: Any) -> Any:
    if name in {"sym_size", "size"} or (name == "getattr" and node.args[1] == "shape"):
        return sizes(spread, node)
    if name == "getattr" and node.args[1] in {"device", "dtype", "ndim", "is_cuda"}:
        return None
    if is_number(value):
        state = spread.states.get(node.args[0]) if node.args and isinstance(node.args[0], fx.Node) else None
        if name == "getitem" and isinstance(state, tuple | list):
            return _item(state, node.args[1])
        return number(spread, node)
    rule = FUNCTIONS.get(name)
    if rule is None and any(part in name for part in _POOLING):
        return spatial(_dimensions(name))(spread, node)
    if rule is None and (name.startswith("upsample") or name == "interpolate"):
        return spatial()(spread, node)
    return (rule or elementwise)(spread, node)


def _item(state: Any, place: Any) -> Any:
    return state[place] if isinstance(place, int | slice) else None


def _dimensions(name: str) -> int | None:
    return next((count for count in (1, 2, 3) if f"{count}d" in name.lower()), None)


def _of_module(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
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


_EXPECTED = {"weight", "bias", "running_mean", "running_var"}


def _of_kind(spread: Spread, node: fx.Node, module: nn.Module) -> Any:
    return spatial(_dimensions(type(module).__name__))(spread, node)


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


def _hold_unknown(
    spread: Spread, node: fx.Node, module: nn.Module, name: str, tensor: Tensor, layer: Tensor
) -> bool:
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
    ids = layer.narrow(0, 0, 1).select(0, 0) if layer.dim() == 1 else layer
    from archdial.networks.graph.widths.layers import vector

    spread.hold(node, module, name, places[0], vector(ids, max(own)))
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
        _of_kind,
    ),
    (tuple(getattr(nn, f"{kind}Pad{n}d") for kind in ("Constant", "Zero", "Reflection", "Replication") for n in (1, 2)),
     _padding),
]  # fmt: skip
__all__ = ["Number", "follow", "argument"]
