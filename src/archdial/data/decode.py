"""Encoded images (PNG, JPEG, WebP, …) to one uint8 tensor."""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from archdial.common.errors import UsageError

if TYPE_CHECKING:
    from PIL import Image

MODES = {1: "L", 3: "RGB"}

MOST_PIXELS = 2**24
"""Of one image: all are held in memory at one size, and a header of some bytes can claim any."""


def decode(
    encoded: Iterable[tuple[str, bytes | Path]],
    count: int,
    channels: int,
    like: tuple[str, Tensor] | None = None,
) -> Tensor:
    """Decode `count` images, each a name and its bytes or file, to pixels uint8 (count, channels, h, w).

    All images must have the size of the first one or, where `like` gives a name and pixels, of those.
    Threads do not help: most of the time for a small image is spent in Python, under the interpreter's lock.

    Raises:
        UsageError: an image that cannot be decoded, or whose size differs; the message names it.
    """
    first, size = (like[0], like[1].shape[-2:]) if like else ("", None)
    pixels = np.empty((0, 0, 0, channels), np.uint8)
    kind: str | None = None
    for index, (name, data) in enumerate(encoded):
        image, kind = _decode_one(name, data, MODES[channels], kind)
        if size is None:
            first, size = name, torch.Size((image.height, image.width))
        if index == 0:
            pixels = np.empty((count, *size, channels), np.uint8)
        if (image.height, image.width) != tuple(size):
            raise UsageError(
                f"{name} is {image.width}x{image.height} pixels, expected {size[1]}x{size[0]} like {first}: "
                "bring all images to one size"
            )
        pixels[index] = np.asarray(image).reshape(*size, channels)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def _decode_one(name: str, data: bytes | Path, mode: str, kind: str | None) -> tuple[Image.Image, str | None]:
    """Return the image in `mode` and its file format; `kind` is the format to try first."""
    try:
        raw = data.read_bytes() if isinstance(data, Path) else data
        with _open(raw, kind) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it has {image.width} × {image.height} pixels, more than {MOST_PIXELS:,}")
            image.load()
            depth, found = image.mode, image.format
            converted = image if depth == mode else image.convert(mode)
    # A damaged file makes Pillow raise nearly anything: OSError, SyntaxError, struct.error, …
    except Exception as error:
        raise UsageError(
            f"{name} cannot be decoded ({error}), expected an image such as PNG, JPEG or WebP: "
            "restore it or leave it out"
        ) from None
    if depth.startswith(("I", "F")):
        raise UsageError(f"{name} has more than 8 bits a channel (mode {depth}), expected 0..255: save it with 8")
    return converted, found


def _open(raw: bytes, kind: str | None) -> Image.Image:
    from PIL import Image  # a tenth of a second, which families that are only opened need not pay

    # Trying only the format of the image before spares Pillow the round through all: a third of the time.
    if kind is not None:
        try:
            return Image.open(BytesIO(raw), formats=[kind])
        except OSError:
            pass
    return Image.open(BytesIO(raw))
