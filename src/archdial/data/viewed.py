"""One encoded image (PNG, JPEG, WebP, …) as an image viewer shows it, with 8 bits per channel."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

MOST_PIXELS = 2**24
"""Of one image: all are held in memory at one size, and a header of some bytes can claim any."""

LARGEST = 2**26
"""Of an image that is made smaller at once: one is held at a time, and cameras make such."""

_GAP = 3
"""How many times larger than asked for a JPEG is decoded at least: what is closer would show in the result."""

_ORIENTATION, _BITS, _PHOTOMETRIC = 274, 258, 262
"""Tags of TIFF and EXIF."""

_TURNS = ("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90")
"""What undoes the orientations 2 to 8."""

_WHITE = 250
"""From here on a colour cannot be told from white paper."""


def viewed(
    raw: bytes, mode: str, kind: str | None = None, size: tuple[int, int] | None = None
) -> tuple[Image.Image, str | None]:
    """Return the image in `raw` and its file format.

    It is turned as its EXIF data say; of an animation it is the first frame; what is transparent lies over white, or
    over black where all that is drawn is white.

    Args:
        mode: of Pillow, L or RGB.
        kind: the format to try first.
        size: (height, width) to which it is resized and cropped.

    Raises:
        Exception: nearly any of Pillow's, for a damaged file; ValueError for too many pixels or bits.
    """
    with _open(raw, kind) as image:
        _check_pixels(image.width * image.height, size)
        if size is not None:
            image.draft(None, (_GAP * max(size),) * 2)
        image.load()
        found = image.format
        shown = _in_mode(_turned(_eight_bits(image), _turn(image)), mode)
    return (shown if size is None else fitted(shown, size)), found


def fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return `image` resized until it just covers `size` (height, width), and the centre of that."""
    from PIL import Image, ImageOps

    height, width = size
    if image.size == (width, height):
        return image
    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def _open(raw: bytes, kind: str | None) -> Image.Image:
    from PIL import Image  # a tenth of a second, which families that are only opened need not pay

    # Trying only the format of the image before spares Pillow the round through all: a third of the time.
    if kind is not None:
        try:
            # Pillow opens MPO, as phones write it, only as JPEG.
            return Image.open(BytesIO(raw), formats=["JPEG" if kind == "MPO" else kind])
        except (OSError, KeyError):
            pass
    return Image.open(BytesIO(raw))


def _check_pixels(count: int, size: tuple[int, int] | None) -> None:
    most = MOST_PIXELS if size is None else LARGEST
    if count > most:
        hint = "; with image_size set, larger files are allowed" if count <= LARGEST else ""
        raise ValueError(f"it has {count:,} pixels, more than {most:,}{hint}")


def _turn(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    # Damaged EXIF data stop no viewer, and Pillow raises nearly anything for them.
    except Exception:
        return 1
    return value if isinstance(value, int) else 1


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    from PIL import Image

    if not 2 <= orientation <= 8:
        return image
    return image.transpose(Image.Transpose[_TURNS[orientation - 2]])


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return grey of 16 bits a pixel scaled to 8; any other image as it is.

    Raises:
        ValueError: it has more bits, or numbers that are no shades.
    """
    from PIL import Image

    if not image.mode.startswith(("I", "F")):
        return image
    if not image.mode.startswith("I;16") and (image.mode, image.format) not in (("I", "PNG"), ("I", "PPM")):
        raise ValueError(f"more than 16 bits per channel, mode {image.mode}: save it with 8 or 16")
    tags: Any = getattr(image, "tag_v2", {})
    most = 2 ** min(16, tags.get(_BITS, (16,))[0]) - 1
    values = np.asarray(image).astype(np.int64).clip(0, most)
    shades = (values * 255 + most // 2) // most
    if tags.get(_PHOTOMETRIC) == 0:  # 0 is white
        shades = 255 - shades
    grey = Image.fromarray(shades.astype(np.uint8))
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey.putalpha(Image.fromarray(np.where(values == key, 0, 255).astype(np.uint8)))
    return grey


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = _on_paper(image)
    elif image.mode == "CMYK":
        image = image.convert("RGB")
    return image if image.mode == mode else image.convert(mode)


def _on_paper(image: Image.Image) -> Image.Image:
    """Return `image` over white, or over black where all that can be seen of it is white."""
    from PIL import Image

    if image.mode == "La":
        image = image.convert("LA")
    drawn = image.convert("RGBA")
    alpha = drawn.getchannel("A")
    if alpha.getextrema()[0] == 255:
        return drawn.convert("RGB")
    seen = np.asarray(drawn)[np.asarray(alpha) > 0][:, :3]
    shade = 0 if seen.size and seen.min() >= _WHITE else 255
    paper = Image.new("RGBA", drawn.size, (shade, shade, shade, 255))
    return Image.alpha_composite(paper, drawn).convert("RGB")
