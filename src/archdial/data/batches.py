"""Batches in an order that a resumed run can repeat, their augmentation and normalisation."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from archdial.common.errors import UsageError
from archdial.data.images import Images


def batches(
    images: Images, size: int, *, generator: torch.Generator | None, start: int = 0, drop_last: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Return the batches of one epoch from number `start` on: pixels uint8 (b, c, h, w), labels int64 (b,).

    `generator` shuffles, None keeps the order. The call itself draws the whole order, before a batch is asked
    for: with the generator in the same state, `start` gives exactly the later batches of that epoch. The last
    batch may be smaller, unless `drop_last` leaves it out.

    Raises:
        UsageError: a size below 1, or a start below 0 or past the end of the epoch.
    """
    if size < 1:
        raise UsageError(f"batch size {size}, expected 1 or more: raise it")
    count = len(images) // size if drop_last else -(-len(images) // size)
    if not 0 <= start <= count:
        raise UsageError(
            f"start at batch {start}, expected 0 to {count}, the batches of {size} in {len(images)} images: "
            "resume with the batch size and data of the run"
        )
    if generator is None:
        order = torch.arange(len(images))
    else:
        order = torch.randperm(len(images), generator=generator, device=generator.device)
    return _slices(images, order.to(images.labels.device), size, range(start, count))


def _slices(images: Images, order: Tensor, size: int, numbers: range) -> Iterator[tuple[Tensor, Tensor]]:
    for number in numbers:
        part = images.take(order[number * size : (number + 1) * size])
        yield part.pixels, part.labels


class Normalize:
    """Pixels uint8 (n, c, h, w) to float32 in channels_last order: (x / 255 - mean) / std, by channel.

    Raises:
        UsageError: unequal numbers of means and stds, a std not above 0, or other pixels.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise UsageError(
                f"mean {tuple(mean)} and std {tuple(std)}, expected one of each a channel, std above 0: "
                "take both from the split"
            )
        self.mean, self.std = tuple(mean), tuple(std)
        shape = (1, len(mean), 1, 1)
        means, stds = (torch.tensor(values, dtype=torch.float64).view(shape) for values in (mean, std))
        self._constants = (1 / (255 * stds)).float(), (-means / stds).float()

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return the normalised images, on the device of `pixels`."""
        if pixels.dtype != torch.uint8 or pixels.dim() != 4 or pixels.shape[1] != len(self.mean):
            raise UsageError(
                f"pixels of type {pixels.dtype} and shape {tuple(pixels.shape)}, expected torch.uint8 of "
                f"shape (n, {len(self.mean)}, h, w): give bytes with the channels of the normalisation"
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
        raise UsageError(f"shift {shift}, expected 0 or more pixels: raise it")
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
