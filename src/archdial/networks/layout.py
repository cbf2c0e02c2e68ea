"""Memory layout of images: channels last, unless that would crash training."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

BLOCK = 16
"""Channels that a convolution of oneDNN works on at once: 8 by AVX2, 16 by AVX-512."""


def layout(network: nn.Module) -> torch.memory_format:
    """Return the order that `network` may be trained in: channels last, twice as fast on a CPU, or channels first.

    oneDNN 3.12, which comes with torch 2.13, corrupts memory in the backward pass of a pointwise convolution with a
    stride and fewer input channels than it works on at once, where images are channels last: with AVX2 always
    (uxlfoundation/oneDNN, issue 6035), with AVX-512 where several threads share a batch unevenly. No such network is
    trained in that order on any machine, so that results do not depend on it.
    """
    unsafe = any(isinstance(module, nn.Conv2d) and _corrupts(module) for module in network.modules())
    return torch.contiguous_format if unsafe else torch.channels_last


def laid_out(inputs: Tensor, order: torch.memory_format) -> Tensor:
    """Return images (n, c, h, w) in `order`, other inputs as they are."""
    if inputs.dim() != 4:
        return inputs
    ordered = inputs.contiguous(memory_format=order)
    if order is torch.channels_last:
        return ordered
    # Images of one channel are in both orders at once, and only their strides tell convolutions which one to go on in.
    return ordered.flatten(1).view(ordered.shape)


def all_laid_out(inputs: Any, order: torch.memory_format) -> Any:
    """Return all images in a tree of tensors in `order`."""
    if isinstance(inputs, Tensor):
        return laid_out(inputs, order)
    return pytree.tree_map(lambda one: laid_out(one, order) if isinstance(one, Tensor) else one, inputs)


def lay_out(network: nn.Module) -> torch.memory_format:
    """Put the weights of `network` into the order that it may be trained in, and return that."""
    order = layout(network)
    put_in_order(network, order)
    return order


def put_in_order(network: nn.Module, order: torch.memory_format) -> nn.Module:
    """Put the filters for images (o, i, h, w) of `network` into `order`, and return it; those for volumes stay."""
    if any(parameter.dim() == 5 for parameter in network.parameters()):
        for parameter in network.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=order)
        return network
    return network.to(memory_format=order)  # type: ignore[call-overload,no-any-return]


def _corrupts(convolution: nn.Conv2d) -> bool:
    pointwise, strided = set(convolution.kernel_size) == {1}, max(convolution.stride) > 1
    return pointwise and strided and convolution.in_channels // convolution.groups < BLOCK
