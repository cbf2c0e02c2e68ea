"""What runs in integers: quantise, dequantise, and layers that hold their weights in eight bits.

By operators of PyTorch that runtimes know: `quantized_decomposed`, from which ONNX has QuantizeLinear and
DequantizeLinear, and which XNNPACK takes together with what stands between them.
"""

from __future__ import annotations

from typing import Any

import torch

# Registers the operators.
import torch.ao.quantization.fx._decomposed
from torch import Tensor, nn
from torch.nn import functional

from archdial.networks.eight_bits.grid import MOST, STEPS, Grid, weight_scales

_OPERATORS: Any = torch.ops.quantized_decomposed
OFFSET = 128
"""Between a signed and an unsigned number of eight bits on one grid."""


class _OnGrid(nn.Module):
    def __init__(self, grid: Grid, *, signed: bool) -> None:
        super().__init__()
        least = -OFFSET if signed else 0
        kind = torch.int8 if signed else torch.uint8
        self.on = (grid.scale, grid.zero + least, least, least + STEPS, kind)


class Quantize(_OnGrid):
    """From float to eight bits."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return integers for `inputs` in float."""
        return _OPERATORS.quantize_per_tensor.default(inputs, *self.on)  # type: ignore[no-any-return]


class Dequantize(_OnGrid):
    """From eight bits to float."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return numbers in float for `inputs`, integers."""
        return _OPERATORS.dequantize_per_tensor.default(inputs, *self.on)  # type: ignore[no-any-return]


class IntegerLayer(nn.Module):
    """A convolution or a linear layer with its weights in eight bits, which are made float on the way.

    A runtime takes that together with its inputs, and computes in integers.
    """

    def __init__(self, layer: nn.Module, *, biased: bool = False) -> None:
        """Take the weights of `layer`, one in float; `biased` adds an offset of zeros where that has none."""
        super().__init__()
        weight, bias = layer.weight, layer.bias
        assert isinstance(weight, Tensor)
        scales = weight_scales(weight).float()
        whole = (weight.detach() / scales.reshape(-1, *[1] * (weight.dim() - 1))).round().clamp(-MOST, MOST)
        self.weight = nn.Parameter(whole.to(torch.int8), requires_grad=False)
        if bias is None and biased:
            bias = torch.zeros(len(weight), device=weight.device)
        self.bias = nn.Parameter(bias.detach().clone(), requires_grad=False) if isinstance(bias, Tensor) else None
        self.register_buffer("scales", scales)
        self.register_buffer("zeros", torch.zeros(len(scales), dtype=torch.int64))
        self.settings = None if isinstance(layer, nn.Linear) else _settings(layer)
        self.dimensions = weight.dim() - 2

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the layer gives for `inputs` in float."""
        on = (self.scales, self.zeros, 0, -MOST, MOST, torch.int8)
        weight = _OPERATORS.dequantize_per_channel.default(self.weight, *on)
        if self.settings is None:
            return functional.linear(inputs, weight, self.bias)
        convolve = functional.conv1d if self.dimensions == 1 else functional.conv2d
        return convolve(inputs, weight, self.bias, *self.settings)


def _settings(layer: Any) -> tuple[Any, ...]:
    return layer.stride, layer.padding, layer.dilation, layer.groups
