"""The optimizer of weights, and one optimisation step in any precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Sgd(Protocol):
    """The settings of stochastic gradient descent, as those of searches and of single networks have them."""

    @property
    def learning_rate(self) -> float:
        """At its highest."""

    @property
    def momentum(self) -> float:
        """Nesterov's, where it is above 0."""

    @property
    def weight_decay(self) -> float:
        """Of all parameters."""


def sgd(module: nn.Module, settings: Sgd) -> torch.optim.Optimizer:
    """Return the optimizer of the parameters of `module`."""
    return torch.optim.SGD(
        module.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )


def adamw(module: nn.Module, settings: Sgd) -> torch.optim.Optimizer:
    """Return Adam with decoupled weight decay (Loshchilov and Hutter 2019) for the parameters of `module`."""
    return torch.optim.AdamW(module.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)


OPTIMIZERS = {"sgd": sgd, "adamw": adamw}
NOTES = {"sgd": frozenset({"momentum_buffer"}), "adamw": frozenset({"step", "exp_avg", "exp_avg_sq"})}
"""What each keeps of a parameter, by its name."""


def descend(fabric: Fabric, module: nn.Module, optimizer: torch.optim.Optimizer, loss: Tensor, clip: float) -> None:
    """Take one step against `loss` (), its gradient no longer than `clip`.

    Args:
        module: whose parameters `optimizer` changes, which fabric has set up.
    """
    optimizer.zero_grad()
    fabric.backward(loss)
    # Fabric undoes the scale that half precision has put on gradients first. It may be too large for a while: the
    # scaler then skips the step, so gradients that are not finite are no error.
    fabric.clip_gradients(module, optimizer, max_norm=clip, error_if_nonfinite=False)
    optimizer.step()


def precision_state(fabric: Fabric) -> dict[str, Any]:
    """Return what the precision keeps from step to step: the scale of half precision, else nothing."""
    return fabric.strategy.precision.state_dict()


def restore_precision(fabric: Fabric, state: dict[str, Any]) -> None:
    """Put back what `precision_state` returned."""
    if state:
        fabric.strategy.precision.load_state_dict(state)
