"""A network of cells at one of its widths: its own layers on their first channels, or on all, masked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from archdial.networks.cells.repeats import STATELESS
from archdial.networks.layout import laid_out

Blocks = tuple[int, int]
"""Into how many equal blocks the first two dimensions of a tensor fall; of each block the first channels are kept."""
Step = tuple[int, int, int]
"""Dimension, how many elements are kept of it, and of how many blocks."""
Steps = dict[str, list[Step]]
"""By name of a parameter or buffer of a module."""

# What a network's own modules know better than a frame of them.
_LIVE = (
    "training",
    "momentum",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


def cut(tensor: Tensor, steps: Sequence[Step]) -> Tensor:
    """Return the first elements of `tensor` along some dimensions, of each block alike; a view where that can be."""
    for dimension, kept, count in steps:
        tensor = _firsts(tensor, dimension, kept, count)
        tensor = tensor if count == 1 else tensor.flatten(dimension, dimension + 1)
    return tensor


def _steps_of(own: Mapping[str, Tensor | None], frame: Mapping[str, Tensor | None], blocks: Blocks) -> Steps:
    """Return how tensors of `own` are cut to the shapes of `frame`."""
    return {
        key: [] if whole is None or part is None else _steps(whole.shape, part.shape, blocks)
        for (key, whole), part in zip(own.items(), frame.values(), strict=True)
    }


def _steps(sizes: Sequence[int], kept: Sequence[int], blocks: Blocks) -> list[Step]:
    counts = (*blocks, *[1] * len(sizes))
    both = enumerate(zip(sizes, kept, strict=True))
    return [(dimension, fewer, counts[dimension]) for dimension, (size, fewer) in both if size != fewer]


def _firsts(tensor: Tensor, dimension: int, kept: int, count: int) -> Tensor:
    """Return a view of the first `kept` elements; of several blocks with these as a dimension."""
    if count == 1:
        return tensor.narrow(dimension, 0, kept)
    blocks: Tensor = tensor.unflatten(dimension, (count, -1))
    return blocks.narrow(dimension + 1, 0, kept // count)


class Dressing(ABC):
    """Makes stand-ins for modules, which compute alike with other tensors; the modules themselves are only read.

    Args:
        blocks: of the tensors of the module called so.
    """

    later = True
    """Whether entries of a dict of modules, as the options of an edge, are made when they are asked for."""

    def __init__(self, blocks: Callable[[str], Blocks]) -> None:
        self.blocks = blocks

    def dress(self, own: nn.Module, frame: nn.Module, name: str = "") -> Any:
        """Return a module like `frame`, whose tensors are made of those of `own`, called `name` in its network."""
        if type(own) in STATELESS:
            return own
        made: nn.Module = object.__new__(type(frame))
        state = vars(made)
        state.update(vars(frame))
        state.update({key: vars(own)[key] for key in _LIVE if key in vars(own)})
        children = _Children(self, own, frame, name)
        state["_modules"] = children if self.later and isinstance(frame, nn.ModuleDict) else dict(children)
        if frame._parameters or frame._buffers:
            state["_parameters"], state["_buffers"] = self.tensors(own, frame, name)
        return made

    @abstractmethod
    def tensors(self, own: nn.Module, frame: nn.Module, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return parameters and buffers for what stands in for `own`."""


class _Children(Mapping[str, Any]):
    """What stands in for the submodules of a module, made at first sight."""

    def __init__(self, dressing: Dressing, own: nn.Module, frame: nn.Module, name: str) -> None:
        self._dressing, self._own, self._frame = dressing, own._modules, frame._modules
        self._prefix = f"{name}." if name else ""
        self._made: dict[str, Any] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._made:
            own, frame = self._own[key], self._frame[key]
            both = own is not None and frame is not None
            self._made[key] = self._dressing.dress(own, frame, self._prefix + key) if both else None  # type: ignore[arg-type]
        return self._made[key]

    def __contains__(self, key: object) -> bool:
        return key in self._frame

    def __iter__(self) -> Iterator[str]:
        return iter(self._frame)

    def __len__(self) -> int:
        return len(self._frame)


class Narrow(Dressing):
    """Modules on the first of their channels: what they learn, and statistics, are those of the whole modules.

    Args:
        orders: in which the network has its images, and the narrower one.
    """

    def __init__(
        self, blocks: Callable[[str], Blocks], orders: tuple[torch.memory_format, torch.memory_format]
    ) -> None:
        super().__init__(blocks)
        own, self.order = orders
        self._reorders = own != self.order
        self._steps: dict[str, tuple[Steps, Steps]] = {}

    def dress(self, own: nn.Module, frame: nn.Module, name: str = "") -> Any:
        """Return a stand-in; where the statistics that it takes are none of the module's memory, they are put back."""
        made = super().dress(own, frame, name)
        if isinstance(own, _BatchNorm) and own.training and own.track_running_stats:
            count = self.blocks(name)[0]
            return made if count == 1 else partial(_noting, made, own, count)
        return made

    def tensors(self, own: nn.Module, frame: nn.Module, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return parameters and buffers cut to those of `frame`, views as far as that goes."""
        if name not in self._steps:
            blocks = self.blocks(name)
            found = (
                _steps_of(own._parameters, frame._parameters, blocks),
                _steps_of(own._buffers, frame._buffers, blocks),
            )
            self._steps[name] = found
        parameters, buffers = self._steps[name]
        return (
            {key: self._laid(cut(own._parameters[key], steps)) for key, steps in parameters.items()},  # type: ignore[arg-type]
            {key: cut(own._buffers[key], steps) for key, steps in buffers.items()},  # type: ignore[arg-type]
        )

    def _laid(self, tensor: Tensor) -> Tensor:
        # Elsewhere a convolution takes it as it lies.
        return laid_out(tensor, self.order) if self._reorders and tensor is not None else tensor


def _noting(norm: Any, own: nn.Module, count: int, inputs: Tensor) -> Tensor:
    outputs: Tensor = norm(inputs)
    for name, taken in norm._buffers.items():
        if taken is not None and taken.dim():
            _firsts(own.get_buffer(name), 0, len(taken), count).copy_(taken.unflatten(0, (count, -1)))
    return outputs


class Alone(Narrow):
    """Modules on the first of their channels that learn for themselves."""

    later = False

    def _laid(self, tensor: Tensor) -> Tensor:
        return tensor if tensor is None else laid_out(tensor, self.order)

    def dress(self, own: nn.Module, frame: nn.Module, name: str = "") -> Any:
        """Return a stand-in whose statistics are its own."""
        return Dressing.dress(self, own, frame, name)

    def tensors(self, own: nn.Module, frame: nn.Module, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return new parameters, of which the memory may be that of `own`, and copies of the buffers."""
        parameters, buffers = super().tensors(own, frame, name)
        return (
            {
                key: tensor if tensor is None else nn.Parameter(tensor.detach(), own.get_parameter(key).requires_grad)
                for key, tensor in parameters.items()
            },
            {key: tensor if tensor is None else tensor.clone() for key, tensor in buffers.items()},
        )


class Masked(Dressing):
    """Modules on all channels; what mixes them hears each as far as the widths that keep it are taken.

    All else, from activations to depthwise convolutions, works channel by channel, so it need not be told.

    Args:
        kept: by name of a module that mixes channels how many it is given at each width.
        weights: of the widths (k,).
    """

    def __init__(self, blocks: Callable[[str], Blocks], kept: Mapping[str, tuple[int, ...]], weights: Tensor) -> None:
        super().__init__(blocks)
        self._kept, self._weights = kept, weights
        self._masks: dict[tuple[int, tuple[int, ...], int], Tensor] = {}

    def tensors(self, own: nn.Module, frame: nn.Module, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return parameters and buffers of `own`; the weight of what mixes channels is masked along its inputs."""
        if name not in self._kept:
            return own._parameters, own._buffers
        weight = own.get_parameter("weight")
        mask = self._mask(weight.shape[1], self._kept[name], self.blocks(name)[1]).to(weight)
        return {**own._parameters, "weight": weight * mask.view(-1, *[1] * (weight.dim() - 2))}, own._buffers

    def _mask(self, size: int, kept: tuple[int, ...], count: int) -> Tensor:
        """Return the mask (size,) of inputs in `count` blocks: of each the sum of the weights that keep it."""
        key = size, kept, count
        if key not in self._masks:
            place = torch.arange(size // count, device=self._weights.device)
            keeping = place < torch.tensor(kept, device=self._weights.device)[:, None] // count
            self._masks[key] = (self._weights @ keeping.to(self._weights)).repeat(count)
        return self._masks[key]


def mixing(network: nn.Module, frames: Sequence[nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return by name, of the modules of `network` that mix channels, how many they are given in each of `frames`."""
    found = {}
    for name, module in network.named_modules(remove_duplicate=False):
        if isinstance(module, nn.Linear) or (
            isinstance(module, _ConvNd) and module.groups == 1 and not module.transposed
        ):
            kept = tuple(frame.get_submodule(name).get_parameter("weight").shape[1] for frame in frames)
            if len(set(kept)) > 1:
                found[name] = kept
    return found
