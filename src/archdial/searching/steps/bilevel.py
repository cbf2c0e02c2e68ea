"""Bilevel search: alternating steps of the hypernetwork on validation images and of the weights on training images."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

from archdial.data.split import Batch
from archdial.searching.projection import project
from archdial.searching.smoothing import smoothed
from archdial.searching.state import SearchState
from archdial.searching.steps.dial import dial_loss, draw, validation_loss
from archdial.searching.steps.step import Figures
from archdial.searching.steps.weights import TrainWeights, descend, set_rate, task_loss
from archdial.searching.unrolled import unrolled
from archdial.training.loop import fold


class TrainBilevel(TrainWeights):
    """min over a of E_z E_γ [ L_val(w*(γ), γ) + penalty ], w* that which is least on training images (DARTS, DARTS-CC).

    A step of the hypernetwork takes the weights for w*, or, in the second order, what they are after one more step.
    """

    name = "bilevel"

    def batches(self, state: SearchState, order: torch.Generator, start: int) -> Iterator[tuple[Batch, Batch]]:
        """Return shuffled training images, and as many validation images with each."""
        seed = int(torch.randint(2**31, (), generator=order))
        return zip(super().batches(state, order, start), islice(_endless(state, seed), start, None), strict=False)

    def __call__(self, state: SearchState, batch: tuple[Batch, Batch], progress: float) -> Figures:
        """Train the hypernetwork on validation images at one drawn dial position, then the weights under its path."""
        training, validation = batch
        set_rate(state, 1 - self.fraction * (1 - progress))
        position, logits, weights = draw(state, progress)
        if state.settings.second_order:
            task = _unrolled_task(state, training, validation, weights)
        else:
            task = validation_loss(state, validation, weights)
        loss = dial_loss(state, None, task, position, logits, weights, progress)
        state.hypernet_optimizer.zero_grad()
        loss.backward()
        state.hypernet_optimizer.step()
        project(state.dial, state.hypernet, state.cost, position)
        radius = state.settings.smoothing * progress
        around = smoothed(weights.detach(), state.network.space.mask, radius, state.generator)
        below = task_loss(state, training, around)
        descend(state, below)
        return {"loss": float(loss.detach()), "task": float(task.detach()), "training": float(below.detach())}

    def close(self, state: SearchState, progress: float) -> Figures:
        """Forget what was evaluated: the weights have moved on."""
        state.archive.clear()
        return {}


def _unrolled_task(state: SearchState, training: Batch, validation: Batch, weights: Tensor) -> Tensor:
    """Return the validation loss () after one step of the weights, its gradient that of the second order."""
    rate = float(state.weights_optimizer.param_groups[0]["lr"])
    parameters = [parameter for parameter in state.network.parameters() if parameter.requires_grad]
    value, gradient = unrolled(
        lambda here: task_loss(state, training, here),
        lambda here: validation_loss(state, validation, here, frozen=False),
        parameters,
        weights,
        rate,
    )
    return value.cpu() + ((weights - weights.detach()) * gradient.to(weights.device)).sum()


def _endless(state: SearchState, seed: int) -> Iterator[Batch]:
    """Yield shuffled validation images, again and again in another order."""
    turn = 0
    while True:
        yield from state.data.validation.shuffled(state.settings.batch_size, fold(seed, turn))
        turn += 1
