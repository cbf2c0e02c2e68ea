"""A piece of a network in integers, from tensor to tensor, whose cost is taken alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archdial.networks.eight_bits.fake import FakeQuantize
from archdial.networks.eight_bits.integers import OFFSET, Dequantize, Quantize


class IntegerPart(nn.Module):
    """What stands between two tensors: computes in eight bits, or goes from float to these, or back.

    Its inputs and outputs are integers where those of the piece are within a network, so that what it takes is not the
    conversion. They are unsigned; a runtime that wants signed ones asks for `signed`.
    """

    def __init__(self, body: nn.Module, reads: Sequence[Tensor | None], gives: Tensor | None) -> None:
        """Take what runs, and for each input and for the output a tensor in float with its range; None stays float."""
        super().__init__()
        self.body = body
        self._reads, self._gives = [_observed(one) for one in reads], _observed(gives)
        self._make(signed=False)

    def _make(self, *, signed: bool) -> None:
        self.before = nn.ModuleList(
            nn.Identity() if one is None else Dequantize(one.grid, signed=signed) for one in self._reads
        )
        gives = self._gives
        self.after = nn.Identity() if gives is None else Quantize(gives.grid, signed=signed)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the output for `inputs`, integers where it reads integers."""
        result: Tensor = self.after(self.body(*(one(tensor) for one, tensor in zip(self.before, inputs, strict=True))))
        return result

    def inputs(self, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return `tensors` in float as it takes them."""
        return tuple(
            tensor if one is None else Quantize(one.grid, signed=False)(tensor.float())
            for one, tensor in zip(self._reads, tensors, strict=True)
        )

    def signed(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Take signed integers from now on; return `inputs` as such."""
        self._make(signed=True)
        return tuple(
            tensor if one is None else (tensor.short() - OFFSET).to(torch.int8)
            for one, tensor in zip(self._reads, inputs, strict=True)
        )


def _observed(tensor: Tensor | None) -> FakeQuantize | None:
    if tensor is None:
        return None
    made = FakeQuantize()
    made.observing = True
    made(tensor.float())
    made.observing = False
    return made
