"""Single-level search: weights and hypernetwork are trained together on the training images."""

from __future__ import annotations

from torch import Tensor

from archdial.data.split import Batch
from archdial.searching.projection import project
from archdial.searching.smoothing import smoothed
from archdial.searching.state import SearchState
from archdial.searching.steps.dial import dial_loss, draw
from archdial.searching.steps.step import Figures
from archdial.searching.steps.weights import TrainWeights, descend, set_rate, task_loss


class TrainJointly(TrainWeights):
    """min over w and a of E_S E_γ [ L(w, γ) + penalty ] (Firsov and Bakhteev 2024); the dial draws the paths."""

    name = "joint"

    def __call__(self, state: SearchState, batch: Batch, progress: float) -> Figures:
        """Train both on one batch at one drawn dial position."""
        set_rate(state, 1 - self.fraction * (1 - progress))
        position, task, loss = self.losses(state, batch, progress)
        state.hypernet_optimizer.zero_grad()
        descend(state, loss)
        state.hypernet_optimizer.step()
        project(state.dial, state.hypernet, state.cost, position)
        return {"loss": float(loss.detach()), "task": float(task.detach())}

    def losses(self, state: SearchState, batch: Batch, progress: float) -> tuple[Tensor, Tensor, Tensor]:
        """Return a drawn position (1, d), the task's loss () there, and what weights and dial descend on ()."""
        position, logits, weights = draw(state, progress)
        radius = state.settings.smoothing * progress
        around = smoothed(weights, state.network.space.mask, radius, state.generator)
        task = task_loss(state, batch, around)
        return position, task, dial_loss(state, None, task.cpu(), position, logits, weights, progress)

    def close(self, state: SearchState, progress: float) -> Figures:
        """Forget what was evaluated: the weights have moved on."""
        state.archive.clear()
        return {}
