"""From pixels to inputs: augmentation and normalisation of image batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError, unknown

NAMED: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "half": ((0.5,), (0.5,)),
    "none": ((0.0,), (1.0,)),
}
"""Means and deviations with which trained networks come; those of one value are for each channel."""


class Normalize:
    """Pixels uint8 (n, c, h, w) to float32 in channels_last order: (x / 255 - mean) / std, by channel.

    Args:
        mean: mean of each channel, pixels in [0, 1].
        std: standard deviation of each channel, likewise.

    Raises:
        UsageError: unequal numbers of means and stds, a std not above 0, or other pixels.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise UsageError(
                f"mean {tuple(mean)} and std {tuple(std)}, expected one value per channel and std > 0: "
                "compute both from the split"
            )
        self.mean, self.std = tuple(mean), tuple(std)
        shape = (1, len(mean), 1, 1)
        means, stds = (torch.tensor(values, dtype=torch.float64).view(shape) for values in (mean, std))
        self._constants = (1 / (255 * stds)).float(), (-means / stds).float()

    @classmethod
    def named(cls, name: str, channels: int) -> Normalize:
        """Return a usual normalisation: "imagenet", "clip", "half" (to -1…1) or "none" (to 0…1).

        Raises:
            UsageError: there is none of that name, or it is for another number of channels.
        """
        if name not in NAMED:
            raise unknown("normalization", name, NAMED)
        mean, std = NAMED[name]
        if len(mean) == 1:
            return cls(mean * channels, std * channels)
        if len(mean) != channels:
            raise UsageError(
                f"the normalization {name} has {len(mean)} channels, but the images have {channels}: "
                f"read them with {len(mean)} channels, or give mean and std"
            )
        return cls(mean, std)

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the normalised images, on the device of `pixels`."""
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[1] != len(self.mean):
            raise UsageError(
                f"pixels of type {pixels.dtype} and shape {tuple(pixels.shape)}, expected torch.uint8 of "
                f"shape (n, {len(self.mean)}, h, w): pass bytes with as many channels as the normalisation"
            )
        scale, offset = self._constants
        if scale.device != pixels.device:
            # Moved once, as batches come from one device, and both at once, as other threads may read them.
            self._constants = scale, offset = scale.to(pixels.device), offset.to(pixels.device)
        values = pixels.to(torch.float32, memory_format=torch.channels_last)
        return values.mul_(scale).add_(offset)


def augment(pixels: Tensor, generator: torch.Generator, *, shift: int = 2, flip: bool = True) -> Tensor:
    """Return a copy of `pixels` (n, c, h, w), each image moved and perhaps mirrored at random.

    The copy has the shape and type of `pixels`.
    An image moves by -`shift` to `shift` pixels down and right, each as likely, and zeros come in at the
    edge; with `flip`, half of them are mirrored left to right after that.

    Raises:
        UsageError: a shift below 0.
    """
    if shift < 0:
        raise UsageError(f"shift {shift}, expected at least 0 pixels")
    count, _, height, width = pixels.shape
    down, right = torch.randint(-shift, shift + 1, (2, count), generator=generator, device=generator.device).to(
        pixels.device
    )
    padded = functional.pad(pixels, (shift, shift, shift, shift))
    # All places as a view, so that one indexing copies each image once.
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)
    moved = windows[torch.arange(count, device=pixels.device), :, shift - down, shift - right]
    if not flip:
        return moved
    mirrored = torch.rand(count, generator=generator, device=generator.device).to(pixels.device) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), moved.flip(3), moved)
