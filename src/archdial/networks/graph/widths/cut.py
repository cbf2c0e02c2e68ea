"""Modules and tensors with only some units, or with masked ones; what is kept stays shared."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm

from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.norms import MaskedNorm


def cut_tensor(tensor: Tensor, axes: Axes, counts: Sequence[int]) -> Tensor:
    """Return what stays of `tensor` where of group g the first counts[g] units do; a view where that is a block."""
    for dimension, axis in enumerate(axes):
        if axis is None:
            continue
        kept = axis.kept(counts)
        if isinstance(kept, Tensor):
            tensor = tensor.index_select(dimension, kept.to(tensor.device))
        elif kept.stop < tensor.shape[dimension]:
            tensor = tensor.narrow(dimension, 0, kept.stop)
    return tensor


def cut(module: nn.Module, axes: Mapping[str, Axes], counts: Sequence[int]) -> nn.Module:
    """Return a shallow copy of a leaf module with only the units that are kept.

    Its tensors are parts of the module's, so gradients reach these, and statistics that it updates are the module's.

    Args:
        axes: of its parameters and buffers, by name, as in `Widths.held`.
        counts: how many units of each group are kept.
    """
    tensors = {name: cut_tensor(getattr(module, name), own, counts) for name, own in axes.items()}
    result = _with_tensors(module, tensors)
    _describe(result, module)
    _write_back(result, module, axes, counts)
    return result


def masked(
    module: nn.Module, axes: Mapping[str, Axes], contracted: Mapping[str, Sequence[int]], masks: Sequence[Tensor]
) -> nn.Module:
    """Return a shallow copy of a leaf module that reads nothing of units whose mask is 0; of a norm what does as much.

    Args:
        axes: of its parameters, by name.
        contracted: dimensions of those that are summed over, as in `Widths.contracted`.
        masks: of each group one (units,); gradients flow into them.
    """
    if isinstance(module, nn.LayerNorm | nn.RMSNorm):
        (axis,) = axes["weight"]
        assert axis is not None
        return MaskedNorm(module, axis.spread(masks))
    tensors = {name: masked_tensor(getattr(module, name), axes[name], masks, own) for name, own in contracted.items()}
    return _with_tensors(module, tensors)


def masked_tensor(
    tensor: Tensor, axes: Axes, masks: Sequence[Tensor], dimensions: Sequence[int] | None = None
) -> Tensor:
    """Return `tensor` times the masks of its units along `dimensions`, by default all."""
    for dimension in range(len(axes)) if dimensions is None else dimensions:
        axis = axes[dimension]
        if isinstance(axis, Axis):
            shape = [-1 if d == dimension else 1 for d in range(tensor.dim())]
            tensor = tensor * axis.spread(masks).to(tensor.dtype).view(shape)
    return tensor


def _with_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """Return a shallow copy of `module` that has `tensors` in place of parameters and buffers of these names."""
    result = module.__new__(type(module))
    result.__dict__ = dict(vars(module))
    result._parameters = {name: one for name, one in module._parameters.items() if name not in tensors}
    result._buffers = {name: tensors.get(name, one) for name, one in module._buffers.items()}
    for name, tensor in tensors.items():
        if name not in result._buffers:
            result.__dict__[name] = tensor
    if isinstance(module, nn.RNNBase):
        names: Any = module._flat_weights_names
        result.__dict__["_flat_weights"] = [getattr(result, name) for name in names]
    return result


def _describe(result: nn.Module, module: nn.Module) -> None:
    """Let the attributes of a cut module say what its tensors are."""
    one: Any = result
    if isinstance(module, _ConvNd):
        _describe_convolution(one, module)
    elif isinstance(module, nn.Linear):
        one.out_features, one.in_features = one.weight.shape
    elif isinstance(module, _BatchNorm | _InstanceNorm):
        one.num_features = next(len(t) for t in (one.weight, one.running_mean) if t is not None)
    elif isinstance(module, nn.GroupNorm):
        one.num_channels = len(one.weight)
        one.num_groups = module.num_groups * one.num_channels // module.num_channels
    elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
        one.normalized_shape = tuple(one.weight.shape)
    elif isinstance(module, nn.Embedding):
        one.embedding_dim = one.weight.shape[1]
    elif isinstance(module, nn.PReLU):
        one.num_parameters = len(one.weight)
    elif isinstance(module, nn.RNNBase):
        one.hidden_size, one.input_size = one.weight_hh_l0.shape[1], one.weight_ih_l0.shape[1]
    elif hasattr(module, "nf") and type(module).__name__ == "Conv1D":
        one.nx, one.nf = one.weight.shape


def _describe_convolution(result: Any, module: _ConvNd) -> None:
    across = isinstance(module, _ConvTransposeNd)
    first, second = result.weight.shape[:2]
    if module.groups > 1:
        per_group = (module.in_channels if across else module.out_channels) // module.groups
        result.groups = first // per_group
    second *= result.groups
    result.in_channels, result.out_channels = (first, second) if across else (second, first)


def _write_back(result: nn.Module, module: nn.Module, axes: Mapping[str, Axes], counts: Sequence[int]) -> None:
    """Let statistics that are no view of the module's be written there after each call in training."""
    copies = [name for name in axes if name in module._buffers and not _is_view(axes[name], counts)]
    if not copies:
        return

    def write(ran: nn.Module, inputs: Any, output: Any) -> None:
        if ran.training:
            for name in copies:
                _put(module._buffers[name], axes[name], counts, ran._buffers[name])

    hooks = OrderedDict(result._forward_hooks)
    result._forward_hooks = hooks
    result.register_forward_hook(write)


def _is_view(axes: Axes, counts: Sequence[int]) -> bool:
    return all(axis is None or isinstance(axis.kept(counts), slice) for axis in axes)


@torch.no_grad()
def _put(whole: Tensor | None, axes: Axes, counts: Sequence[int], part: Tensor | None) -> None:
    assert whole is not None and part is not None
    (axis,) = axes
    assert axis is not None
    kept = axis.kept(counts)
    assert isinstance(kept, Tensor)
    whole.index_copy_(0, kept.to(whole.device), part)
