"""A torch layer that computes what is given as numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archdial.networks.graph.merging.affine import Affine, same

_CONVOLUTIONS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


def layer(what: Affine, instead_of: Sequence[nn.Module]) -> nn.Module | None:
    """Return a layer that computes `what`, with numbers, mode and order in memory of those that it stands for.

    None where no layer of torch pads so, or where a number is too large for its type. Numbers on no device stay there.
    """
    padding = _told(what)
    numbers = _weight_of(instead_of[0])
    where = what.weight.device if what.weight.is_meta else numbers.device
    weight, bias = (None if one is None else one.to(where, numbers.dtype) for one in (what.weight, what.bias))
    if padding is None or weight is None or not all(map(_is_finite, (weight, bias))):
        return None
    made = _empty(what, padding)
    trained = any(parameter.requires_grad for module in instead_of for parameter in module.parameters())
    made.register_parameter("weight", nn.Parameter(_in_order(weight, instead_of), trained))
    made.register_parameter("bias", None if bias is None else nn.Parameter(bias, trained))
    return made.train(instead_of[0].training)


def drawn(outline: nn.Module, beside: nn.Module) -> nn.Module:
    """Return a layer like `outline`, which is on no device, with numbers that are drawn, on the device of `beside`."""
    generator = torch.Generator().manual_seed(0)
    made = outline.to_empty(device="cpu")
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.normal_(0.0, 1 / math.sqrt(_weight_of(made)[0].numel()), generator=generator)
    return made.to(_weight_of(beside).device)


def _empty(what: Affine, padding: tuple[int, ...] | str) -> nn.Module:
    # On no device: weights that are drawn there take no number from the user's generator.
    where: dict[str, Any] = {"bias": what.bias is not None, "device": "meta"}
    if not what.kernel:
        return nn.Linear(what.inputs, what.outputs, **where)
    shape = (what.inputs, what.outputs, what.kernel, what.stride, padding, what.dilation, what.groups)
    made: nn.Module = _CONVOLUTIONS[len(what.kernel)](*shape, padding_mode=what.mode, **where)
    return made


def _is_finite(values: Tensor | None) -> bool:
    return values is None or values.is_meta or bool(values.isfinite().all())


def _told(what: Affine) -> tuple[int, ...] | str | None:
    """Return the padding as torch takes it: of both sides alike, or "same", which may pad one more behind."""
    if all(before == after for before, after in what.padding):
        return tuple(before for before, _ in what.padding)
    is_same = set(what.stride) == {1} and all(map(_is_same, what.padding, what.reach))
    return "same" if is_same else None


def _is_same(padding: tuple[int, int], reach: int) -> bool:
    return padding == same(reach)


def _in_order(weight: Tensor, modules: Sequence[nn.Module]) -> Tensor:
    """Return filters for images with channels last where any of `modules` has them so."""
    last = torch.channels_last
    filters = [_weight_of(module) for module in modules]
    asked = any(own.dim() == 4 and own.is_contiguous(memory_format=last) and not own.is_contiguous() for own in filters)
    return weight.contiguous(memory_format=last if asked else torch.contiguous_format)


def _weight_of(module: nn.Module) -> Tensor:
    weight = module.weight
    assert isinstance(weight, Tensor)
    return weight
