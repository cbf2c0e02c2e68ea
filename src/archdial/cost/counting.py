"""Counting what a module costs on any machine: parameters, floating point operations, bytes written."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Counts:
    """What a module costs, as `CostEntry` defines it; flops and bytes for one input."""

    parameters: int
    flops: int
    bytes: int


def count(module: nn.Module, input_shape: tuple[int, ...], inputs: tuple[Tensor, ...] = ()) -> Counts:
    """Return the counts of `module` in evaluation mode and change nothing in it.

    Args:
        module: what is counted.
        input_shape: of one float32 input, without the batch.
        inputs: what it is run on instead, where it takes other tensors.
    """
    subject = copy.deepcopy(module).cpu().float().eval()
    examples = tuple(repeatable(tensor) for tensor in inputs) or (torch.zeros(1, *input_shape),)
    written = _Written()
    with torch.no_grad(), FlopCounterMode(display=False) as flops, written:
        subject(*examples)
    return Counts(parameters(module), int(flops.get_total_flops()), written.bytes)


def repeatable(tensor: Tensor) -> Tensor:
    """Return `tensor` on the CPU, floating point as float32."""
    return tensor.detach().cpu().float() if tensor.is_floating_point() else tensor.detach().cpu()


def parameters(module: nn.Module) -> int:
    """Return how many parameters `module` has; one that is shared within it counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def flops(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the floating point operations of convolutions and matrix products for one input.

    A multiply-add counts as two. Elementwise work, normalisation and pooling count as none.
    """
    return count(module, input_shape).flops


def activation_bytes(module: nn.Module, input_shape: tuple[int, ...]) -> int:
    """Return the bytes of floating point tensors that operators write to new memory for one float32 input.

    An identity writes none; each convolution, normalisation, addition or concatenation writes its output.
    Work in place and views write nothing new and do not count.
    """
    return count(module, input_shape).bytes


class _Written(TorchDispatchMode):
    """Adds up the floating point outputs that share no memory with the operator's inputs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        known = {_memory(tensor) for tensor in _tensors((args, kwargs))}
        fresh = [tensor for tensor in _tensors(result) if _memory(tensor) not in known]
        self.bytes += sum(tensor.numel() * tensor.element_size() for tensor in fresh)
        return result


def _tensors(value: object) -> list[Tensor]:
    leaves = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
    return [leaf for leaf in leaves if leaf.is_floating_point()]


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
