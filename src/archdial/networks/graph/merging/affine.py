"""What a linear operation computes, as numbers: all are convolutions, with or without spatial dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

Sides = tuple[int, int]
"""How much is padded before and after, in one dimension."""

ZEROS = "zeros"


@dataclass(frozen=True)
class Affine:
    """A convolution; a linear layer is one without spatial dimensions, a normalisation one of a pixel in each channel.

    Attributes:
        weight: (out, in / groups, *kernel), in double precision.
        bias: (out,), or None without one; a bias that happens to be zero is one, for it may be trained.
        groups: of channels, each of which reads its own.
        stride, dilation, padding: in each spatial dimension.
        mode: what is padded, as torch calls it.
    """

    weight: Tensor
    bias: Tensor | None
    groups: int
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    padding: tuple[Sides, ...] = ()
    mode: str = ZEROS

    @property
    def kernel(self) -> tuple[int, ...]:
        """Pixels of the input that one of the output reads, in each spatial dimension."""
        return tuple(self.weight.shape[2:])

    @property
    def reach(self) -> tuple[int, ...]:
        """How far the last of these pixels is from the first."""
        return tuple(step * (size - 1) for step, size in zip(self.dilation, self.kernel, strict=True))

    @property
    def inputs(self) -> int:
        """Channels that it reads."""
        return self.weight.shape[1] * self.groups

    @property
    def outputs(self) -> int:
        """Channels that it gives."""
        return self.weight.shape[0]


def affine(module: nn.Module, spatial: int, where: str = "cpu") -> Affine:
    """Return what `module` computes in eval mode of inputs with `spatial` spatial dimensions.

    Args:
        where: the device for the numbers. Not every one has those of double precision; "meta" has their shapes.
    """

    def double(values: Tensor) -> Tensor:
        return values.detach().to(where).to(torch.float64)

    if isinstance(module, _BatchNorm):
        return _of_norm(module, spatial, double)
    assert isinstance(module, _ConvNd | nn.Linear)
    weight, bias = double(module.weight), None if module.bias is None else double(module.bias)
    if isinstance(module, nn.Linear):
        return Affine(weight, bias, 1)
    steps = tuple(module.stride), tuple(module.dilation)
    return Affine(weight, bias, module.groups, *steps, _padding(module), module.padding_mode)


def _of_norm(norm: _BatchNorm, spatial: int, double: Callable[[Tensor], Tensor]) -> Affine:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = (double(norm.running_var) + norm.eps).rsqrt()
    if norm.weight is not None:
        scale = scale * double(norm.weight)
    shift = -double(norm.running_mean) * scale
    if norm.bias is not None:
        shift = shift + double(norm.bias)
    ones = (1,) * spatial
    return Affine(scale.reshape(-1, 1, *ones), shift, len(scale), ones, ones, ((0, 0),) * spatial)


def _padding(module: _ConvNd) -> tuple[Sides, ...]:
    if module.padding == "same":
        return tuple(same(step * (size - 1)) for step, size in zip(module.dilation, module.kernel_size, strict=True))
    if isinstance(module.padding, str):
        return ((0, 0),) * len(module.stride)
    return tuple((size, size) for size in module.padding)


def same(reach: int) -> Sides:
    """Return the padding by which a convolution of this reach, and of stride 1, gives as many pixels as it takes."""
    return reach // 2, reach - reach // 2
