"""Counting costs without a device: parameters, operations, bytes written, held at once, and stored."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Counts:
    """What a module costs, as `CostEntry` defines it; flops, bytes and peak for one input."""

    parameters: int
    flops: int
    bytes: int
    size_bytes: int
    peak_bytes: int


def count(module: nn.Module, input_shape: tuple[int, ...], inputs: tuple[Tensor, ...] = ()) -> Counts:
    """Return the counts of `module` in evaluation mode and change nothing in it.

    Args:
        module: what is counted.
        input_shape: of one float32 input, without the batch.
        inputs: what it is run on instead, where it takes other tensors.
    """
    subject = copy.deepcopy(module).cpu().float().eval()
    examples = tuple(repeatable(tensor) for tensor in inputs) or (torch.zeros(1, *input_shape),)
    written = _Written({_memory(tensor) for tensor in (*subject.parameters(), *subject.buffers())})
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=_UNCOUNTED) as flops, written:
        subject(*examples)
    return Counts(
        parameters(module), int(flops.get_total_flops()), written.bytes, stored_bytes([module]), written.peak_bytes
    )


def _recurrent_flops(inputs: Sequence[int], own: Sequence[int], state: Sequence[int], *_: Any, **__: Any) -> int:
    """Return the flops of one recurrent layer that oneDNN runs as a whole: both products at each step."""
    steps = math.prod(inputs[:-1])
    return 2 * steps * (math.prod(own) + math.prod(state))


_UNCOUNTED = {torch.ops.aten.mkldnn_rnn_layer: _recurrent_flops}
"""What torch's counter does not know, and would take for nothing."""


def repeatable(tensor: Tensor) -> Tensor:
    """Return `tensor` on the CPU, floating point as float32."""
    return tensor.detach().cpu().float() if tensor.is_floating_point() else tensor.detach().cpu()


def parameters(module: nn.Module) -> int:
    """Return how many parameters `module` has; one that is shared within it counts once."""
    return sum(parameter.numel() for parameter in module.parameters())


def stored_bytes(modules: Iterable[nn.Module]) -> int:
    """Return the bytes of parameters and buffers in `modules`; what several share counts once."""
    tensors = {id(t): t for module in modules for t in (*module.parameters(), *module.buffers())}
    return sum(tensor.nbytes for tensor in tensors.values())


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
    """Adds up the floating point outputs that share no memory with the operator's inputs.

    And finds the operator that reads and writes most at once, apart from what is `held`: weights.
    """

    def __init__(self, held: set[int]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes, self.peak_bytes, self._held = 0, 0, held

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        read = {_memory(tensor): tensor for tensor in _tensors((args, kwargs))}
        fresh = [tensor for tensor in _tensors(result) if _memory(tensor) not in read]
        self.bytes += sum(tensor.nbytes for tensor in fresh)
        working = [tensor for memory, tensor in read.items() if memory not in self._held]
        self.peak_bytes = max(self.peak_bytes, sum(tensor.nbytes for tensor in (*working, *fresh)))
        return result


def _tensors(value: object) -> list[Tensor]:
    leaves = [leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor)]
    return [leaf for leaf in leaves if leaf.is_floating_point()]


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()
