"""The gradient of validation loss through one step of the weights: second-order DARTS, by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]

STEP = 0.01
"""Of the finite difference, over the norm of the gradient, as published."""


def unrolled(
    training: Loss, validation: Loss, parameters: Sequence[Tensor], weights: Tensor, rate: float
) -> tuple[Tensor, Tensor]:
    """Return the validation loss () after a step of `parameters` w down the training loss, and its gradient in γ.

    Liu et al. (2019, DARTS, eq. 7 and 8), with w' = w − ξ ∇_w L_train(w, γ) and w± = w ± ε ∇_w' L_val(w', γ):

        ∇_γ L_val(w', γ) − ξ (∇_γ L_train(w⁺, γ) − ∇_γ L_train(w⁻, γ)) / 2ε,    ε = 0.01 / ‖∇_w' L_val(w', γ)‖

    The parameters are afterwards what they were.

    Args:
        training: L_train of γ, with the parameters as they are when it is called.
        validation: L_val, likewise.
        parameters: w, leaves that need gradients.
        weights: γ (m, k), of any history; the gradient is to be carried on through it.
        rate: ξ; 0 gives the first order.
    """
    here = weights.detach().requires_grad_()
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        if rate:
            down = torch.autograd.grad(training(here.detach()), parameters, allow_unused=True)
            _move(parameters, before, down, -rate)
        loss = validation(here)
        *across, gradient = torch.autograd.grad(loss, [*parameters, here], allow_unused=True)
        gradient = torch.zeros_like(here) if gradient is None else gradient
        norm = float(torch.stack([part.norm() for part in across if part is not None]).norm())
        if rate and norm:
            step = STEP / norm
            ends = []
            for signed in (step, -step):
                _move(parameters, before, across, signed)
                (end,) = torch.autograd.grad(training(here), here)
                ends.append(end)
            gradient = gradient - rate * (ends[0] - ends[1]) / (2 * step)
    finally:
        _move(parameters, before, [None] * len(before), 0.0)
    return loss.detach(), gradient


def _move(
    parameters: Sequence[Tensor], origin: Sequence[Tensor], direction: Sequence[Tensor | None], length: float
) -> None:
    """Set parameters to origin + length · direction."""
    with torch.no_grad():
        for parameter, start, along in zip(parameters, origin, direction, strict=True):
            parameter.copy_(start if along is None else start + length * along)
