"""Inputs by which a quantizer finds the ranges of activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.exporting.signature import Signature
from archdial.networks.example import flat

MOST = 256
"""Examples that are used: ranges hardly change with more, and some quantizers take milliseconds for each."""


class Calibration:
    """Examples of what a member takes, one after the other.

    Attributes:
        names: of the inputs, in the order of the tensors.
        examples: for each input a tensor (n, …).
    """

    def __init__(self, signature: Signature, batches: Iterable[Any], most: int = MOST) -> None:
        """Take up to `most` examples of `batches`: tensors, or trees of them, as the network takes them.

        Raises:
            UsageError: there are none, or they lack an input.
        """
        self.names = tuple(signature.inputs)
        self.examples = tuple(_joined(self.names, batches, most))

    def __len__(self) -> int:
        return len(self.examples[0])

    def batches(self, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Return tensors, one an input, of up to `size` examples at a time."""
        for start in range(0, len(self), size):
            yield tuple(tensor[start : start + size].contiguous() for tensor in self.examples)

    def named(self, size: int) -> Iterator[dict[str, Any]]:
        """Return numpy arrays by the names of the inputs, of up to `size` examples at a time."""
        for batch in self.batches(size):
            yield {name: tensor.numpy() for name, tensor in zip(self.names, batch, strict=True)}


def inputs_of(names: Sequence[str], batch: Any) -> list[Tensor]:
    """Return the tensors of a batch in the order of `names`: by name, or the first so many.

    Raises:
        UsageError: it lacks one.
    """
    if isinstance(batch, Mapping):
        missing = [name for name in names if name not in batch]
        if missing:
            raise UsageError(f"a batch without {missing[0]!r}: expected the network's inputs {', '.join(names)}")
        return [batch[name] for name in names]
    found = flat(batch)[: len(names)]
    if len(found) < len(names):
        raise UsageError(f"a batch of {len(found)} tensors: expected the network's {len(names)} inputs")
    return found


def _joined(names: Sequence[str], batches: Iterable[Any], most: int) -> list[Tensor]:
    parts: list[list[Tensor]] = []
    count = 0
    for batch in batches:
        if count >= most:
            break
        tensors = inputs_of(names, batch)
        parts.append(tensors)
        count += len(tensors[0])
    if not count:
        raise UsageError("no calibration data: expected batches of the network's inputs, such as family.calibrating")
    return [torch.cat(list(of_one))[:most].cpu() for of_one in zip(*parts, strict=True)]
