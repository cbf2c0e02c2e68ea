"""Single-level search whose dial learns from the difference of two paths on the same batch."""

from __future__ import annotations

import torch
from torch import Tensor

from archdial.data.split import Batch
from archdial.searching.state import SearchState
from archdial.searching.steps.dial import dial_loss, turned
from archdial.searching.steps.joint import TrainJointly
from archdial.searching.steps.weights import loss_on


class TrainCompared(TrainJointly):
    """The objective of `TrainJointly`, its gradient by the score function instead of through relaxed weights.

    With two paths γ₁, γ₂ ~ p = softmax(α) on one batch, ½ (L(γ₁) − L(γ₂)) ∇(log p(γ₁) − log p(γ₂)) is right in the mean
    (Kool et al. 2019, eq. 8 with k = 2): each path is the baseline of the other. The straight-through gradient is not:
    it scales the output of an operation, which the next layer of normalisation undoes, and comes out several times too
    small beside the penalty's, which is exact. The weights are trained under the first path.
    """

    def losses(self, state: SearchState, batch: Batch, progress: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return a drawn position (1, d), the first path's loss () there, and what weights and dial descend on ()."""
        position, logits = turned(state)
        (first, likely), (second, other) = (_path(logits, state.generator) for _ in range(2))
        inputs = state.inputs(batch, training=True)
        task = loss_on(state, inputs, batch, first)
        with torch.no_grad():
            gap = task - loss_on(state, inputs, batch, second)
        pull = pulled(gap.cpu(), likely, other)
        # The loss as it is, with the gradient of both: so it joins any dial's penalty, here of p itself.
        seen = task.cpu() + pull - pull.detach()
        shares = torch.softmax(logits, -1)
        return position, task, dial_loss(state, None, seen, position, logits, shares, progress)


def pulled(gap: Tensor, likely: Tensor, other: Tensor) -> Tensor:
    """Return what to descend on (): ½ (L(γ₁) − L(γ₂)) (log p(γ₁) − log p(γ₂)), the first difference being `gap`."""
    return 0.5 * gap.detach() * (likely - other)


def _path(logits: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return one path (m, k) drawn from softmax of `logits` (m, k), and the logarithm () of its probability."""
    chances = torch.log_softmax(logits, -1)
    taken = torch.multinomial(chances.detach().exp(), 1, generator=generator)
    return torch.zeros_like(chances).scatter(-1, taken, 1.0).detach(), chances.gather(-1, taken).sum()
