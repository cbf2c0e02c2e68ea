"""Dividing the train split into images for the weights and images for the dial."""

import torch

from archdial.common.errors import UsageError
from archdial.data.images import DataSet, Images, SearchData
from archdial.data.pixels import Normalize


def split(
    data: DataSet, *, weights: int | float, seed: int, limit: int | None = None, normalize: Normalize | None = None
) -> SearchData:
    """Return the data of a search: the train split of `data` in two random, disjoint parts.

    Args:
        data: from `load`; images are bytes (n, c, h, w).
        weights: number of images for the weights (int) or their fraction (float between 0 and 1); all others validate
            the dial.
        seed: seed of the split.
        limit: maximum number of training images, drawn at random; a fraction refers to those.
        normalize: mean and deviation of each channel, pixels in [0, 1], for example those that a network was trained
            with; by default, those of the images for the weights.

    Raises:
        UsageError: one of the two parts would be empty, too many images are requested, or `normalize` and the
            images have different numbers of channels.
    """
    if limit is not None and limit < 2:
        raise UsageError(f"limit {limit}, expected at least 2 images, one per part: raise it or omit it")
    total = len(data.train) if limit is None else min(limit, len(data.train))
    count = _count(weights, total)
    order = torch.randperm(len(data.train), generator=torch.Generator().manual_seed(seed))
    part = data.train.take(order[:count])
    mean, std = _moments(part) if normalize is None else _given(normalize, data.input_shape[0])
    validation = data.train.take(order[count:total])
    return SearchData(data.name, data.classes, part, validation, mean, std, given=normalize is not None)


def _given(normalize: Normalize, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    if len(normalize.mean) != channels:
        raise UsageError(
            f"normalize has mean {normalize.mean} and std {normalize.std}, expected one value per channel, and the "
            f"images have {channels} channels: give {channels} of each"
        )
    return normalize.mean, normalize.std


def _count(weights: int | float, total: int) -> int:
    count = round(weights * total) if isinstance(weights, float) and 0 < weights < 1 else weights
    if not isinstance(count, int) or isinstance(count, bool) or not 0 < count < total:
        raise UsageError(
            f"weights {weights} of {total} train images, expected a number from 1 to {total - 1} or a share "
            "between 0.0 and 1.0 that leaves at least one validation image"
        )
    return count


def _moments(images: Images) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, pixels in [0, 1], from counts of the 256 values."""
    values = torch.arange(256, dtype=torch.float64) / 255
    means, stds = [], []
    for channel in images.pixels.unbind(1):
        share = torch.bincount(channel.flatten(), minlength=256).to("cpu", torch.float64) / channel.numel()
        mean = (share * values).sum()
        std = (share * (values - mean) ** 2).sum().sqrt().item()
        means.append(mean.item())
        # A channel of one value has no spread to divide by; what is computed for it is rounding.
        stds.append(std if std > 1e-6 else 1.0)
    return tuple(means), tuple(stds)
