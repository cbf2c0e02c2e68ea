"""Training the hypernetwork on validation images with frozen weights: the second stage of two-stage search."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from archdial.data.split import Batch
from archdial.networks.pretrained import Pretrained
from archdial.searching.dialling import Known, spread
from archdial.searching.objective import entropy, objective
from archdial.searching.projection import project
from archdial.searching.state import SearchState
from archdial.searching.steps.step import Figures, SearchStep


class TrainDial(SearchStep):
    """One dial position and one path a batch; only the hypernetwork changes."""

    name = "dial"
    known: Known | None = None

    def count(self, state: SearchState) -> int:
        """Return the number of batches of an epoch over the validation data, at least 1."""
        return state.data.validation.count(state.settings.batch_size)

    def batches(self, state: SearchState, order: torch.Generator, start: int) -> Iterator[Batch]:
        """Return shuffled validation data."""
        # Nothing is evaluated while the dial is trained: stacked once an epoch, not at every step.
        self.known = Known.of(state.network, state.archive) if state.archive else None
        return state.data.validation.shuffled(state.settings.batch_size, order, start)

    def __call__(self, state: SearchState, batch: Batch, progress: float) -> Figures:
        """Train the hypernetwork on one batch at one drawn dial position."""
        position, logits, weights = draw(state, progress)
        task = validation_loss(state, batch, weights)
        loss = dial_loss(state, self.known, task, position, logits, weights, progress)
        state.hypernet_optimizer.zero_grad()
        loss.backward()
        state.hypernet_optimizer.step()
        project(state.dial, state.hypernet, state.cost, position)
        return {"loss": float(loss.detach()), "task": float(task.detach())}


def validation_loss(state: SearchState, batch: Batch, weights: Tensor, *, frozen: bool = True) -> Tensor:
    """Return the task's loss () on the CPU of a batch for the dial under option weights (m, k).

    Args:
        frozen: no gradient is wanted for the supernet's own weights.
    """
    state.network.train()
    state.network.requires_grad_(not frozen)
    try:
        outputs = state.forward(state.inputs(batch), weights.to(state.fabric.device))
        return state.task.loss(outputs, batch).cpu()
    finally:
        state.network.requires_grad_(True)


def turned(state: SearchState) -> tuple[Tensor, Tensor]:
    """Return a drawn position (1, d) and its logits (m, k)."""
    position = state.dial.sample(1, state.generator)
    return position, state.hypernet(state.dial.encode(position))[0]


def draw(state: SearchState, progress: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return a drawn position (1, d), its logits (m, k) and one sample of option weights (m, k)."""
    position, logits = turned(state)
    temperature = state.settings.temperature(progress)
    return position, logits, state.relaxation.sample(logits, temperature, state.generator)


def dial_loss(
    state: SearchState,
    known: Known | None,
    task: Tensor,
    position: Tensor,
    logits: Tensor,
    weights: Tensor,
    progress: float,
) -> Tensor:
    """Return task loss + penalty, less the entropy early on, () on the CPU.

    Where architectures were evaluated, it is divided by the spread of their objectives at the position, so that all
    positions pull alike. On a network that was trained before entropy has no part: it opens the way to chance, from
    where nothing leads back.
    """
    loss = objective(task, state.dial, position, weights[None], state.cost).mean()
    if known is not None:
        loss = loss / spread(known.objectives(state.dial, position, state.cost)).squeeze()
    loss = loss + state.relaxation.regulariser(logits)
    early = 0.0 if isinstance(state.network, Pretrained) else max(0.0, 1 - 2 * progress)
    return loss - state.settings.entropy * early * entropy(logits)
