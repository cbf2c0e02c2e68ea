"""Images in memory as bytes, data sets, and what a search sees of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError, cut
from archdial.data.split import Split

_NAMED = 10
"""Classes in a summary."""


# Compared by identity: `==` on tensors has no single truth value.
@dataclass(frozen=True, eq=False)
class Images(Split):
    """Labelled images: `pixels` uint8 (n, c, h, w) in 0..255, `labels` int64 (n,).

    Raises:
        UsageError: another type or shape, or as many labels as there are not images.
    """

    pixels: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.dim() != 4:
            raise UsageError(
                f"pixels of type {self.pixels.dtype} and shape {tuple(self.pixels.shape)}, "
                "expected torch.uint8 of shape (n, c, h, w): scale to 0..255 and add missing dimensions"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.pixels.shape[:1]:
            raise UsageError(
                f"labels of type {self.labels.dtype} and shape {tuple(self.labels.shape)}, expected "
                f"torch.int64 of shape ({len(self.pixels)},): give each image one class index"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, count: int) -> "Images":
        """Return the first `count` images, or all if there are fewer; no copy."""
        return Images(self.pixels[:count], self.labels[:count])

    def count(self, size: int) -> int:
        """Return the number of whole batches of `size`, at least 1."""
        return max(1, len(self) // size)

    def shuffled(self, size: int, order: torch.Generator, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Return whole batches from number `start` on, in an order drawn from `order`."""
        return batches(self, min(size, len(self)), generator=order, start=start, drop_last=True)

    def in_order(self, size: int, limit: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Return batches of the first `limit` images, or of all."""
        return batches(self if limit is None else self.first(limit), size, generator=None)

    @property
    def digest(self) -> str:
        """Of all pixels and labels."""
        return digest_of([self.pixels, self.labels])

    def take(self, indices: Tensor) -> "Images":
        """Return the images at `indices` (int64, any number), in that order, as a copy."""
        indices = indices.to(self.labels.device)
        return Images(self.pixels[indices], self.labels[indices])


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
            f"start at batch {start}, expected 0 to {count}, the number of batches of {size} in {len(images)} images: "
            "resume with the run's batch size and data"
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


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set with its two splits, whole in memory.

    Attributes:
        name: its name, or that of its folder.
        classes: names of the classes; label i is `classes[i]`.
        train: images uint8 (n, c, h, w) with labels int64 (n,).
        test: likewise.
    """

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width

    @property
    def example(self) -> Tensor:
        """Zeros (2, c, h, w), in the shape that a network takes."""
        return torch.zeros(2, *self.input_shape)

    @property
    def summary(self) -> str:
        """One line: number and size (width×height) of the images of each split, and train images per class."""
        _, height, width = self.input_shape
        counts = self.train.labels.bincount(minlength=len(self.classes)).tolist()
        each = [f"{cut(name, 30)} {count:,}" for name, count in zip(self.classes[:_NAMED], counts, strict=False)]
        more = ", …" if len(self.classes) > _NAMED else ""
        return (
            f"{self.name}: {len(self.train):,} train, {len(self.test):,} test images {width}×{height} "
            f"in {len(self.classes):,} classes ({', '.join(each)}{more})"
        )


@dataclass(frozen=True, eq=False)
class SearchData:
    """What a search may see: images for the weights and images for the dial, never the test split.

    Attributes:
        name: name of the data set.
        classes: names of the classes.
        weights: images for the weights, uint8 (n, c, h, w).
        validation: images for the dial.
        mean: mean of each channel, pixels in [0, 1]; from `weights` alone unless `given`.
        std: standard deviation of each channel, likewise.
        given: mean and std were passed to `split`.
    """

    name: str
    classes: tuple[str, ...]
    weights: Images
    validation: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    given: bool = False

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all pixels, labels and names of classes: equal for the same images in the same order.

        Also of mean and std, if they were given.
        """
        parts = (self.weights, self.validation)
        given = [list(self.mean), list(self.std)] if self.given else []
        return digest_of([list(self.classes), [[part.pixels, part.labels] for part in parts], *given])
