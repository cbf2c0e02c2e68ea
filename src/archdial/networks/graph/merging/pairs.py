"""Consecutive modules as one: which can be merged, and the resulting layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.networks.graph.merging.affine import Affine, affine
from archdial.networks.graph.merging.kernels import composed
from archdial.networks.graph.merging.layers import layer

_LAYERS: dict[type[nn.Module], int] = {nn.Linear: 0, nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}
"""What can be merged with another of its kind, or with a normalisation, by its spatial dimensions."""

_NORMS: dict[int, type[_BatchNorm]] = {
    0: nn.BatchNorm1d, 1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d,
}  # fmt: skip


def merged(modules: Sequence[nn.Module], dimensions: int | None = None) -> nn.Module | None:
    """Return one plain layer that does what two modules or more do, one after the other, in eval mode.

    None where no layer does it for every batch x. Convolutions, linear layers and BatchNorm can be merged where neither
    hooks nor parametrisations are on them. What a second convolution pads must be what the first would give there: see
    `borders`. Of modules without numbers, on no device, the outline is returned.

    Args:
        dimensions: of x, the batch among them, where they are known: BatchNorm of linear features (n, c) can be
            merged, that of tokens (n, tokens, c) works across them.
    """
    return _merged(modules, dimensions, "meta" if _are_meta(modules) else "cpu")


def outline(modules: Sequence[nn.Module], dimensions: int | None = None) -> nn.Module | None:
    """Return what `merged` gives, or None likewise, as a layer without numbers: in no time, for a look at its shape."""
    return _merged(modules, dimensions, "meta")


def _are_meta(modules: Sequence[nn.Module]) -> bool:
    return all(tensor.is_meta for module in modules for tensor in _numbers(module))


def _merged(modules: Sequence[nn.Module], dimensions: int | None, where: str) -> nn.Module | None:
    layers = [module for module in modules if type(module) in _LAYERS]
    if not layers:
        return None
    spatial = _LAYERS[type(layers[0])]
    if not all(_fits(module, spatial, dimensions) and _is_plain(module) for module in modules):
        return None
    if not _are_alike(modules):
        return None
    found: Affine | None = affine(modules[0], spatial, where)
    for module in modules[1:]:
        found = None if found is None else composed(found, affine(module, spatial, where))
    return None if found is None else layer(found, layers)


def _fits(module: nn.Module, spatial: int, dimensions: int | None) -> bool:
    """Tell whether `module` works on channels with `spatial` spatial dimensions, by fixed statistics."""
    if type(module) in _LAYERS:
        return _LAYERS[type(module)] == spatial
    known = spatial > 0 or dimensions == 2
    return type(module) is _NORMS[spatial] and module.running_mean is not None and known


def _is_plain(module: nn.Module) -> bool:
    """Tell whether `module` does what its class says, with weights of its own that are given as numbers.

    Parametrised and quantised ones are of other classes, or have other tensors.
    """
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    if any(hooks) or module._modules or "forward" in vars(module):
        return False
    given = all(type(parameter) in (nn.Parameter, type(None)) for parameter in module._parameters.values())
    return given and module._parameters.keys() == {"weight", "bias"}


def _are_alike(modules: Sequence[nn.Module]) -> bool:
    """Tell whether all numbers are of one type, a real one, and on one device."""
    tensors: list[Any] = [tensor for module in modules for tensor in _numbers(module)]
    alike = len({(tensor.dtype, tensor.device) for tensor in tensors}) == 1
    return alike and bool(tensors[0].is_floating_point())


def _numbers(module: nn.Module) -> list[Tensor]:
    counters = {"num_batches_tracked"}
    return [*module.parameters(), *(tensor for name, tensor in module.named_buffers() if name not in counters)]
