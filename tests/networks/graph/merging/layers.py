"""Random layers with weights and statistics that are not those of fresh ones, and inputs on which borders matter."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
CHANNELS = (1, 2, 4, 6, 12)
MODES = ("zeros", "zeros", "zeros", "circular", "reflect", "replicate")
SIZES = (
    (1, 1), (1, 4), (2, 3), (3, 2), (4, 5), (5, 5), (6, 7), (7, 6), (8, 9), (9, 8), (10, 11), (11, 10), (12, 13),
    (20, 21), (21, 22), (22, 20), (40, 41), (41, 42), (42, 40),
)  # fmt: skip


def awake(module: nn.Module, seed: int = 0) -> nn.Module:
    """Return `module` in eval mode with random numbers in all that it computes with."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand(tensor.shape, generator=generator) + 0.5
            signs = torch.randint(0, 2, tensor.shape, generator=generator) * 2 - 1
            tensor.copy_(drawn if name.endswith("running_var") else drawn * signs / 1.5)
    return module.eval()


@st.composite
def convolutions(draw: st.DrawFn, inputs: int, outputs: int, spatial: int, modes: tuple[str, ...] = MODES) -> nn.Module:
    """Draw a convolution of any kernel, stride, dilation, groups and padding, with a bias or none."""
    both = math.gcd(inputs, outputs)
    groups = draw(st.sampled_from([number for number in range(1, both + 1) if both % number == 0]))
    kernel = tuple(draw(st.sampled_from((1, 1, 2, 3, 4))) for _ in range(spatial))
    dilation = tuple(draw(st.sampled_from((1, 1, 1, 2, 3))) for _ in range(spatial))
    if draw(st.integers(0, 5)) == 0:
        padding, stride = draw(st.sampled_from(("same", "valid"))), (1,) * spatial
    else:
        # Where a convolution pads more than it reads, oneDNN 3.12 at times reads what is not its own.
        reach = [step * (size - 1) for step, size in zip(dilation, kernel, strict=True)]
        padding = tuple(draw(st.sampled_from((0, *range(min(far, 3) + 1)))) for far in reach)
        stride = tuple(draw(st.sampled_from((1, 1, 1, 2, 3))) for _ in range(spatial))
    made = CONVOLUTIONS[spatial](
        inputs, outputs, kernel, stride, padding, dilation, groups, draw(st.booleans()), draw(st.sampled_from(modes))
    )
    # Of one channel in this order torch 2.13 gives wrong numbers where images of one pixel in width come out.
    if spatial == 2 and inputs > 1 and draw(st.booleans()):
        made = made.to(memory_format=torch.channels_last)
    return awake(made, draw(st.integers(0, 99)))


@st.composite
def chains(draw: st.DrawFn, layers: int, spatial: int) -> list[nn.Module]:
    """Draw so many convolutions and normalisations, each of which takes what the one before it gives."""
    channels, made = draw(st.sampled_from(CHANNELS)), []
    for _ in range(layers):
        if draw(st.integers(0, 3)) == 0:
            made.append(awake(NORMS[spatial](channels, affine=draw(st.booleans())), draw(st.integers(0, 99))))
        else:
            following = draw(st.sampled_from(CHANNELS))
            made.append(draw(convolutions(channels, following, spatial)))
            channels = following
    return made


def inputs_of(first: nn.Module, spatial: int) -> Iterator[Tensor]:
    """Yield small batches of many sizes, images in both orders in memory."""
    channels = getattr(first, "in_channels", None) or first.num_features
    for number, size in enumerate(SIZES):
        shape = (2, channels, *(size * 2)[:spatial])
        inputs = torch.randn(shape, generator=torch.Generator().manual_seed(number))
        yield inputs.contiguous(memory_format=torch.channels_last) if spatial == 2 and number % 2 else inputs


def difference(one: nn.Module, other: nn.Module, inputs: Tensor) -> float:
    """Return the largest difference, as a share of the largest number; 0 where `one` does not run at all."""
    with torch.no_grad():
        try:
            expected = one(inputs)
        except (RuntimeError, ValueError):
            return 0.0
        try:
            found = other(inputs)
        except (RuntimeError, ValueError):
            return math.inf
    if found.shape != expected.shape:
        return math.inf
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1.0))
