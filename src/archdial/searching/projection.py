"""Projection of a hypernetwork onto what a dial's positions allow."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from archdial.cost.pricing.expected import Cost
from archdial.dial import Dial
from archdial.hypernet import Hypernetwork

STEPS = 20
LONGEST = 0.25
"""Length of a step at most: where options are settled the gradient is next to nothing, and the way to the budget
so long that the hypernetwork would be lost on it."""
TOLERANCE = 1e-2
"""What exceeds a budget by less, as a fraction of the cost range, keeps it."""


def project(dial: Dial, hypernet: Hypernetwork, cost: Cost, positions: Tensor) -> None:
    """Move `hypernet` until the expected cost of its options keeps the budget at each of positions (n, d).

    As RC-DARTS (Jin et al. 2019, algorithm 1) descends the excess until there is none; the step is Polyak's,
    excess / ‖gradient‖², the shortest way to the budget where the excess is linear, but not longer than LONGEST, taken
    for the position that breaks its budget most. A dial that knows no excess changes nothing.
    """
    if not dial.constrained:
        return
    parameters = [parameter for parameter in hypernet.parameters() if parameter.requires_grad]
    codes = dial.encode(positions)
    for _ in range(STEPS):
        weights = torch.softmax(hypernet(codes), -1)
        worst = dial.excess(positions, weights, cost).max()
        excess = float(worst.detach())
        if excess <= TOLERANCE:
            return
        gradients = torch.autograd.grad(worst, parameters, allow_unused=True)
        _descend(parameters, gradients, excess)


def _descend(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None], excess: float) -> None:
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients if gradient is not None))
    if norm == 0:
        return
    rate = min(excess / norm, LONGEST) / norm
    with torch.no_grad():
        for parameter, gradient in zip(parameters, gradients, strict=True):
            if gradient is not None:
                parameter -= rate * gradient
