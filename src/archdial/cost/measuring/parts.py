"""The parts of a network that are measured, each distinct one once, and their input batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
from torch import Tensor

from archdial.networks.supernet import Part, Supernet, TermPlan


def complete(network: Supernet) -> list[TermPlan]:
    """Return the plans of `network`, with an empty one for each choice that none names: a table prices every option."""
    found = network.terms()
    named = {name for plan in found for name in plan.choices}
    return found + [TermPlan((c.name,), {}) for c in network.space.choices if c.name not in named]


def distinct(plans: Iterable[TermPlan]) -> list[Part]:
    """Return the parts in `plans`, one for each key: those that run, then those that may take their place."""
    plans = list(plans)
    entries = itertools.chain.from_iterable(plan.entries.values() for plan in plans)
    instead = (merging.part for plan in plans for merging in plan.merging.values())
    return list({part.key: part for part in (*itertools.chain.from_iterable(entries), *instead)}.values())


def batch(part: Part, batch_size: int) -> tuple[Tensor, ...]:
    """Return what flows into `part` for a batch: its own inputs repeated, or random numbers (batch, …)."""
    if part.inputs:
        dimensions = part.batch_dimensions or (0,) * len(part.inputs)
        return tuple(repeated(t, batch_size, d) for t, d in zip(part.inputs, dimensions, strict=True))
    # Random rather than zero: some kernels are faster on zeros, and denormals are as rare as in use.
    return (torch.randn(batch_size, *part.input_shape, generator=torch.Generator().manual_seed(0)),)


def repeated(tensor: Tensor, batch_size: int, dimension: int | None = 0) -> Tensor:
    """Return what `tensor` is for a batch: repeated `batch_size` times along `dimension`, in its own memory layout."""
    tensor = tensor.detach().float() if tensor.is_floating_point() else tensor.detach()
    if dimension is None or batch_size == 1:
        return tensor
    if tensor.shape[dimension] != 1 or not tensor.numel() or 0 in tensor.stride():
        # What was expanded has one place in memory for several elements, and cannot be written to.
        return torch.cat([tensor] * batch_size, dimension)
    one = tensor.movedim(dimension, 0)
    outermost = 1 + sum((size - 1) * stride for size, stride in zip(one.shape[1:], one.stride()[1:], strict=True))
    strides = (max(outermost, one.numel()), *one.stride()[1:])
    batch = torch.empty_strided((batch_size, *one.shape[1:]), strides, dtype=one.dtype, device=one.device)
    return batch.copy_(one.expand(batch_size, *one.shape[1:])).movedim(0, dimension)
