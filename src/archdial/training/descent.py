"""One step of an optimizer against a loss, whatever the precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


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
