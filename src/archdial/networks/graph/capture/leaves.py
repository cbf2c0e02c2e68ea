"""Which modules stay whole when a network is captured: those without submodules."""

from __future__ import annotations

from torch import nn

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


def is_leaf(module: nn.Module) -> bool:
    """Tell whether `module` is one operation: it has no submodules and does something itself."""
    return not isinstance(module, _CONTAINERS) and not any(True for _ in module.children())


def is_torch_leaf(module: nn.Module) -> bool:
    """Tell whether `module` is a leaf of `torch.nn`, or derived from one."""
    bases = (base for base in type(module).__mro__ if base is not nn.Module)
    return is_leaf(module) and any(base.__module__.startswith("torch.nn.modules") for base in bases)
