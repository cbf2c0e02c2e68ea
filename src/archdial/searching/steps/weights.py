"""Training the supernet's weights under sampled paths, one path per batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from archdial.data.split import Batch
from archdial.searching.paths import make_paths
from archdial.searching.state import SearchState
from archdial.searching.steps.step import Figures, SearchStep
from archdial.space import Architecture
from archdial.training import descent


class TrainWeights(SearchStep):
    """The objective of one sampled path; the hypernetwork has no part in it.

    `fraction` of the run's epochs are of this kind, after `begun` of them: the learning rate is a cosine over them all.
    """

    name = "weights"

    def __init__(self, state: SearchState, fraction: float = 1.0, begun: float = 0.0) -> None:
        self.paths = make_paths(state.settings.paths, state.network.space)
        self.fraction, self.begun = fraction, begun

    def count(self, state: SearchState) -> int:
        """Return the number of batches of an epoch over the data for the weights, at least 1."""
        return state.data.weights.count(state.settings.batch_size)

    def batches(self, state: SearchState, order: torch.Generator, start: int) -> Iterator[Batch]:
        """Return shuffled batches for the weights."""
        return state.data.weights.shuffled(state.settings.batch_size, order, start)

    def __call__(self, state: SearchState, batch: Batch, progress: float) -> Figures:
        """Train on one batch under one path."""
        set_rate(state, self.begun + progress * self.fraction)
        weights = state.network.space.one_hot(self.draw(state))
        loss = task_loss(state, batch, weights)
        descend(state, loss)
        return {"loss": float(loss.detach())}

    def draw(self, state: SearchState) -> Architecture:
        """Return the path of the next batch."""
        return self.paths.draw(state.generator)


def set_rate(state: SearchState, progress: float) -> None:
    """Set the learning rate of the weights to its cosine at `progress` of the run."""
    rate = state.settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
    for group in state.weights_optimizer.param_groups:
        group["lr"] = rate


def task_loss(state: SearchState, batch: Batch, weights: Tensor) -> Tensor:
    """Return the objective () of a batch for training under option weights (m, k)."""
    return loss_on(state, state.inputs(batch, training=True), batch, weights)


def loss_on(state: SearchState, inputs: Any, batch: Batch, weights: Tensor) -> Tensor:
    """Return the same for `inputs` that were made of the batch: several paths see the same ones."""
    state.network.train()
    return state.objective(inputs, state.forward(inputs, weights.to(state.fabric.device)), batch)


def descend(state: SearchState, loss: Tensor) -> None:
    """Take one step of the weights' optimizer against `loss`."""
    descent.descend(state.fabric, state.forward, state.weights_optimizer, loss, state.settings.clip)
