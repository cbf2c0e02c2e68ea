"""How far the outputs of an exported file are from the module's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archdial.exporting.built import BuiltMember
from archdial.exporting.file_format import Run


def random_images(built: BuiltMember, batch: int) -> Tensor:
    """Return random pixels, normalised: float32 (batch, *input_shape)."""
    generator = torch.Generator().manual_seed(batch)
    pixels = torch.randint(0, 256, (batch, *built.input_shape), dtype=torch.uint8, generator=generator)
    # By rows, as a user's array is.
    return built.normalization(pixels).contiguous(memory_format=torch.contiguous_format)


def largest_difference(run: Run, module: nn.Module, batches: Sequence[Tensor]) -> float:
    """Return how far the outputs of `run` and `module` are apart at most.

    Infinity where their shapes differ, or one is not finite.
    """
    apart = 0.0
    with torch.inference_mode():
        for images in batches:
            expected, given = module(images), run(images)
            if given.shape != expected.shape or not torch.isfinite(given - expected).all():
                return float("inf")
            apart = max(apart, float((given - expected).abs().max()))
    return apart
