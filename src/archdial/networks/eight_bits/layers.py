"""Layers with weights that are rounded to eight bits on the way; parameters stay in float, under their names."""

from __future__ import annotations

import copy

from torch import Tensor, nn
from torch.nn import functional

from archdial.networks.eight_bits.fake import rounded_weight


class EightBitConv1d(nn.Conv1d):
    """A convolution with rounded weights."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the convolution of `inputs` (n, c, l)."""
        result: Tensor = self._conv_forward(inputs, rounded_weight(self.weight), self.bias)
        return result


class EightBitConv2d(nn.Conv2d):
    """A convolution with rounded weights."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the convolution of `inputs` (n, c, h, w)."""
        result: Tensor = self._conv_forward(inputs, rounded_weight(self.weight), self.bias)
        return result


class EightBitLinear(nn.Linear):
    """A linear layer with rounded weights."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the product of `inputs` (…, k)."""
        return functional.linear(inputs, rounded_weight(self.weight), self.bias)


KINDS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Conv1d: EightBitConv1d,
    nn.Conv2d: EightBitConv2d,
    nn.Linear: EightBitLinear,
}
"""What computes in eight bits, by what it is in float; what derives from it may do something else, and stays."""


def can_be_in_eight_bits(module: nn.Module | None) -> bool:
    """Tell whether `module` is a layer that has a form in eight bits; one with hooks may compute something else."""
    if module is None or type(module) not in KINDS or module._forward_hooks or module._forward_pre_hooks:
        return False
    return getattr(module, "padding_mode", "zeros") == "zeros"


def in_eight_bits(module: nn.Module) -> nn.Module:
    """Return `module` in eight bits; its tensors are the same ones."""
    made = copy.copy(module)
    made.__class__ = KINDS[type(module)]
    return made
