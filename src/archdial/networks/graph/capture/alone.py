"""Networks that cannot run on a single input: the error names the responsible layer."""

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
                f"does not run on a single input: {name or 'it'} is a {type(module).__name__} without running "
                "statistics, which normalises over the batch even in evaluation mode: use track_running_stats=True, or "
                "replace it with LayerNorm or GroupNorm"
            )
    return ""
