"""How far the outputs of an exported file are from the module's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archdial.exporting.built import BuiltMember
from archdial.exporting.file_format import Run
from archdial.tasks.task import tensors_in


def tried(built: BuiltMember, batch: int) -> tuple[Tensor, ...]:
    """Return random inputs of a batch: of images pixels, normalised, float32 (batch, *input_shape)."""
    if built.normalize is None:
        return built.signature.drawn(batch)
    generator = torch.Generator().manual_seed(batch)
    pixels = torch.randint(0, 256, (batch, *built.input_shape), dtype=torch.uint8, generator=generator)
    # By rows, as a user's array is.
    return (built.normalize(pixels).contiguous(memory_format=torch.contiguous_format),)


def largest_difference(run: Run, module: nn.Module, batches: Sequence[Sequence[Tensor]]) -> float:
    """Return how far the outputs of `run` and `module` are apart at most.

    Infinity where their number or shapes differ, or one is not finite.
    """
    with torch.inference_mode():
        return max(_apart(tensors_in(run(*inputs)), tensors_in(module(*inputs))) for inputs in batches)


def _apart(given: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    if [one.shape for one in given] != [one.shape for one in expected]:
        return float("inf")
    apart = [(own - other).abs() for own, other in zip(given, expected, strict=True)]
    finite = all(bool(torch.isfinite(one).all()) for one in apart)
    return max((float(one.max()) for one in apart), default=0.0) if finite else float("inf")
