"""New weights for layers that can initialise them."""

from __future__ import annotations

from torch import nn


def draw_anew(module: nn.Module) -> None:
    """Draw weights and statistics of all layers of `module` again, from torch's generator."""
    for part in module.modules():
        reset = getattr(part, "reset_parameters", None)
        if callable(reset):
            reset()
