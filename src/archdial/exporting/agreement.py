"""How far the outputs of an exported file are from the module's."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archdial.exporting.built import BuiltMember
from archdial.exporting.file_format import Run
from archdial.networks.eight_bits.deployed import has_eight_bits
from archdial.tasks.task import tensors_in

TOLERANCE = 1e-4
"""How far the outputs of a file may be from the module's, in shares of the largest."""
ROUNDED = 0.1
"""The same in eight bits: where a runtime rounds to the other of two neighbours, the next layers see another number."""
_STEPS = 4
"""Of the numbers of half precision: what is added up in another order is so far off."""


def tried(built: BuiltMember, batch: int) -> tuple[Tensor, ...]:
    """Return random inputs of a batch: of images pixels, normalised, float32 (batch, *input_shape)."""
    if built.normalize is None:
        return built.signature.drawn(batch)
    generator = torch.Generator().manual_seed(batch)
    pixels = torch.randint(0, 256, (batch, *built.input_shape), dtype=torch.uint8, generator=generator)
    # By rows, as a user's array is.
    return (built.normalize(pixels).contiguous(memory_format=torch.contiguous_format),)


def differences(run: Run, module: nn.Module, batches: Sequence[Sequence[Tensor]]) -> tuple[float, float]:
    """Return how far the outputs of `run` and `module` are apart at most, and how far they may be.

    That is TOLERANCE of the module's largest output, or TOLERANCE where that is below 1; in half precision a few steps
    of its numbers, in eight bits ROUNDED of the largest. Infinity where number or shapes differ, or one is not finite
    where the other is.
    """
    apart, allowed = 0.0, TOLERANCE
    share = ROUNDED if has_eight_bits(module) else TOLERANCE
    with torch.inference_mode():
        for inputs in batches:
            expected = tensors_in(module(*inputs))
            apart = max(apart, _apart(tensors_in(run(*inputs)), expected))
            allowed = max(allowed, *(_allowed(one, share) for one in expected))
    return apart, allowed


def _allowed(expected: Tensor, share: float) -> float:
    finite = expected[expected.isfinite()].double().abs()
    step = torch.finfo(expected.dtype).eps if expected.is_floating_point() else 0.0
    least = torch.ones(1) if share == TOLERANCE else torch.zeros(1)
    return max(share, _STEPS * step) * float(torch.cat([least, finite.flatten()]).max())


def _apart(given: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    if [one.shape for one in given] != [one.shape for one in expected]:
        return float("inf")
    # What is masked is -inf in both.
    other = [(one[one != two].double(), two[one != two].double()) for one, two in zip(given, expected, strict=True)]
    apart = torch.cat([torch.zeros(1), *((one - two).abs() for one, two in other)])
    return float(apart.max()) if bool(apart.isfinite().all()) else float("inf")
