"""Encoded images to one uint8 tensor of one size, or an error that names the image that does not fit."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from archdial.common.errors import Notice, UsageError, cut, short
from archdial.data.viewed import MOST_PIXELS, fitted, viewed

if TYPE_CHECKING:
    from PIL import Image

MODES = {1: "L", 3: "RGB"}

_NAMED = 3
"""Names in a sentence about many images."""


@dataclass(frozen=True)
class Reading:
    """How images are read: as grey (`channels` 1) or RGB (3), made of `size` (height, width), broken ones left out."""

    channels: int
    size: tuple[int, int] | None = None
    skip_broken: bool = False


class _BrokenImage(UsageError):
    """An image that cannot be decoded."""


def sides_of(image_size: int | Sequence[int] | None) -> tuple[int, int] | None:
    """Return what a user gave as `image_size` as (height, width).

    Raises:
        UsageError: it is no size.
    """
    if image_size is None:
        return None
    sides = [image_size] * 2 if isinstance(image_size, int) else image_size
    whole = isinstance(sides, Sequence) and all(isinstance(side, int) and not isinstance(side, bool) for side in sides)
    if not whole or len(sides) != 2 or min(sides) < 1:
        raise UsageError(f"image_size {short(image_size)}, expected a positive whole number, or [height, width]")
    if sides[0] * sides[1] > MOST_PIXELS:
        raise UsageError(f"image_size {short(image_size)}, expected at most {MOST_PIXELS:,} pixels: lower it")
    return sides[0], sides[1]


def decode(
    encoded: Iterable[tuple[str, bytes | Path]],
    count: int,
    reading: Reading,
    like: tuple[str, Tensor] | None = None,
) -> tuple[Tensor, list[int]]:
    """Decode `count` images, each a name and its bytes or file.

    Return pixels uint8 (n, channels, h, w), and the positions of these n: all, unless broken ones are left out.
    Unless `reading` gives a size, all images must have that of the first one or, where `like` gives a name and pixels,
    of those. Threads do not help: most of the time for a small image is spent in Python, under the interpreter's lock.

    Raises:
        UsageError: an image that cannot be decoded, or whose size differs; the message names it.
    """
    first, size = (like[0], tuple(like[1].shape[-2:])) if like else ("", reading.size)
    pixels = np.empty((0, 0, 0, reading.channels), np.uint8)
    kept: list[int] = []
    broken: list[str] = []
    kind: str | None = None
    for index, (name, data) in enumerate(encoded):
        try:
            image, kind = _decode_one(name, data, reading, kind)
        except _BrokenImage:
            if not reading.skip_broken:
                raise
            broken.append(name)
            continue
        if size is None:
            first, size = name, (image.height, image.width)
        if not kept:
            pixels = np.empty((count, *size, reading.channels), np.uint8)
        _check_size(image, name, size, first)
        pixels[len(kept)] = np.asarray(image).reshape(*size, reading.channels)
        kept.append(index)
    _tell_broken(broken, count)
    return torch.from_numpy(pixels[: len(kept)]).permute(0, 3, 1, 2).contiguous(), kept


def resized(pixels: Tensor, size: tuple[int, int] | None) -> Tensor:
    """Return `pixels` uint8 (n, channels, h, w) resized and cropped to `size` (height, width), if any."""
    from PIL import Image

    if size is None:
        return pixels
    grey = pixels.reshape(-1, *pixels.shape[-2:]).numpy()
    made = np.stack([np.asarray(fitted(Image.fromarray(one), size)) for one in grey])
    return torch.from_numpy(made).view(*pixels.shape[:2], *size)


def _check_size(image: Image.Image, name: str, size: tuple[int, ...], first: str) -> None:
    if (image.height, image.width) != size:
        raise UsageError(
            f"{name} is {image.width}x{image.height} pixels, expected {size[1]}x{size[0]} like {first}: resize all "
            f"images to one size, or let archdial resize and crop them, for example with image_size: {min(size)}"
        )


def _tell_broken(names: Sequence[str], count: int) -> None:
    """Say which of `count` images were left out; error if that is all of them."""
    if not names:
        return
    listed = ", ".join(cut(name, 200) for name in names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    if len(names) == count:
        raise UsageError(f"none of {count:,} images can be decoded ({listed}): restore them, or pass other data")
    warnings.warn(
        f"{len(names):,} of {count:,} images cannot be decoded and are skipped ({listed})", Notice, stacklevel=2
    )


def _decode_one(name: str, data: bytes | Path, reading: Reading, kind: str | None) -> tuple[Image.Image, str | None]:
    """Return the image and its file format; `kind` is the format to try first."""
    try:
        raw = data.read_bytes() if isinstance(data, Path) else data
        return viewed(raw, MODES[reading.channels], kind, reading.size)
    # A damaged file makes Pillow raise nearly anything: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise _BrokenImage(
            f"{name} cannot be decoded ({_reason(error)}), expected an image such as PNG, JPEG or WebP: "
            "restore it, remove it, or set skip_broken: true"
        ) from None


def _reason(error: Exception) -> str:
    # Pillow's sentence shows where in memory the bytes lie.
    return "not a format that Pillow supports" if type(error).__name__ == "UnidentifiedImageError" else str(error)
