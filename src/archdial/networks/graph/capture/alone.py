"""Networks that cannot take one input by itself, told with the layer that is why."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


def needs_others(model: nn.Module, error: Exception) -> str:
    """Return why `model` raised `error` at one input, where a BatchNorm normalises by the batch; nothing otherwise."""
    if "more than 1 value per channel" not in str(error):
        return ""
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm) and module.running_mean is None:
            return (
                f"takes no input by itself, as {name or 'it'} is a {type(module).__name__} without running statistics "
                "and needs others to normalise by, also in evaluation mode: make it with track_running_stats=True, or "
                "put a LayerNorm or GroupNorm in its place"
            )
    return ""
