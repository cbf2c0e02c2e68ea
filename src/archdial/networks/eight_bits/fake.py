"""Fake quantisation: float tensors rounded to the numbers that eight bits tell apart, with gradients passed through.

The gradient of rounding is taken as 1 within the range and 0 outside (Bengio et al. 2013, straight-through).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from archdial.networks.eight_bits.grid import MOST, STEPS, Grid, scale_and_zero, weight_scales

FOLLOWS = 0.05
"""Of a batch's range, how much the range takes on in training."""


class FakeQuantize(nn.Module):
    """Rounds activations to a range, or finds that range while it is `observing`.

    In training mode the range follows those of the batches, by a moving average: weights change, and with them what
    flows.

    Attributes:
        low, high: the range, buffers () that are saved with the network.
        observing: while set, tensors pass unchanged and widen the range.
    """

    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("low", torch.zeros(()))
        self.register_buffer("high", torch.zeros(()))
        self.observing = False

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `inputs`, rounded unless it is observing."""
        if not self.observing:
            if self.training and not inputs.is_meta:
                self._follow(inputs)
            return _rounded(inputs, *scale_and_zero(self.low, self.high))
        if inputs.is_meta:
            # A member that is made only to be given its weights has no numbers yet.
            return inputs
        low, high = inputs.detach().aminmax()
        self.low.copy_(torch.minimum(self.low, low))
        self.high.copy_(torch.maximum(self.high, high))
        return inputs

    def _follow(self, inputs: Tensor) -> None:
        low, high = inputs.detach().float().aminmax()
        # A new network, as after its weights were drawn again, has no range yet.
        share = FOLLOWS if bool(self.high > self.low) else 1.0
        self.low.lerp_(low.clamp(max=0), share)
        self.high.lerp_(high.clamp(min=0), share)

    def reset_parameters(self) -> None:
        """Forget the range, as layers forget their weights where these are drawn again."""
        self.low.zero_()
        self.high.zero_()

    @property
    def grid(self) -> Grid:
        """The grid of its range."""
        scale, zero = scale_and_zero(self.low, self.high)
        return Grid(float(scale), int(zero))


class Rounding(nn.Module):
    """Rounds activations to a grid that is a constant."""

    def __init__(self, grid: Grid) -> None:
        super().__init__()
        self.scale, self.zero = grid.scale, grid.zero

    def forward(self, inputs: Tensor) -> Tensor:
        """Return `inputs`, rounded."""
        # By plain operators: torch.export (2.13) cannot look into those of fake quantisation.
        whole = torch.round(inputs * (1 / self.scale) + self.zero).clamp(0, STEPS)
        return (whole - self.zero) * self.scale


def rounded(tensor: Tensor) -> Tensor:
    """Return `tensor` rounded to its own range: what a supernet does, whose paths all have other ranges."""
    low, high = tensor.detach().aminmax()
    return _rounded(tensor, *scale_and_zero(low.float(), high.float()))


def rounded_weight(weight: Tensor) -> Tensor:
    """Return `weight` (n, …) rounded, each output channel by its own scale."""
    if weight.is_meta:
        return weight
    scales = weight_scales(weight).float()
    zeros = torch.zeros(len(weight), dtype=torch.int32, device=weight.device)
    whole = torch.fake_quantize_per_channel_affine(weight.float(), scales, zeros, 0, -MOST, MOST)
    return whole.to(weight.dtype)


def _rounded(tensor: Tensor, scale: Tensor, zero: Tensor) -> Tensor:
    # Under autocast activations may be in half precision, which the operator does not take.
    return torch.fake_quantize_per_tensor_affine(tensor.float(), scale, zero, 0, STEPS).to(tensor.dtype)
