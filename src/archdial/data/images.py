"""The values of the data room: images held in memory as bytes, a data set, what a search sees of one."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError


# Compared by identity: `==` on tensors has no single truth value.
@dataclass(frozen=True, eq=False)
class Images:
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
                "expected torch.uint8 of shape (n, c, h, w): scale to 0..255 and add the missing axes"
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

    def take(self, indices: Tensor) -> "Images":
        """Return the images at `indices` (int64, any number), in that order, as a copy."""
        indices = indices.to(self.labels.device)
        return Images(self.pixels[indices], self.labels[indices])


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set with its two splits; label i is `classes[i]`."""

    name: str
    classes: tuple[str, ...]
    train: Images
    test: Images

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.train.pixels.shape[1:]
        return channels, height, width


@dataclass(frozen=True, eq=False)
class SearchData:
    """What a search may see: images for the weights and images for the dial, never the test split.

    `mean` and `std` have one value a channel, for pixels in [0, 1], and come from `weights` alone.
    """

    name: str
    classes: tuple[str, ...]
    weights: Images
    validation: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all pixels, labels and names of classes: equal for the same images in the same order."""
        parts = (self.weights, self.validation)
        return digest_of([list(self.classes), [[part.pixels, part.labels] for part in parts]])
