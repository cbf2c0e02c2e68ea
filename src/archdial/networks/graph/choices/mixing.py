"""Mixing a gated operation's output with its replacement, by their weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Gate(torch.autograd.Function):
    """keep · output + drop · instead; where the weights are one-hot nothing is multiplied."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, instead: Tensor, keep: Tensor, drop: Tensor) -> Tensor:
        # A gate in what is dropped itself gets no gradient; zeros would run all that is behind it.
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(output, instead, keep, drop)
        k, d = float(keep), float(drop)
        if (k, d) == (1.0, 0.0):
            return output.view_as(output)
        return instead.view_as(instead) if (k, d) == (0.0, 1.0) else torch.lerp(instead, output, k)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        (gradient,) = gradients
        if gradient is None:
            return None, None, None, None
        output, instead, keep, drop = ctx.saved_tensors
        k, d = float(keep), float(drop)
        return (
            _scaled(gradient, k),
            _scaled(gradient, d),
            (gradient * output).sum().to(keep) if ctx.needs_input_grad[2] else None,
            (gradient * instead).sum().to(drop) if ctx.needs_input_grad[3] else None,
        )


def _scaled(gradient: Tensor, weight: float) -> Tensor | None:
    # Without a gradient autograd does not enter the operation at all.
    if weight == 0.0:
        return None
    return gradient if weight == 1.0 else gradient * weight


def gate(output: Tensor, instead: Tensor, weights: Tensor) -> Tensor:
    """Return keep · output + drop · instead for weights (2,) = (keep, drop) that sum to 1."""
    # Under autocast a layer's output may have another type than its input.
    common = torch.promote_types(output.dtype, instead.dtype)
    return _Gate.apply(output.to(common), instead.to(common), weights[0], weights[1])  # type: ignore[no-any-return,no-untyped-call]
