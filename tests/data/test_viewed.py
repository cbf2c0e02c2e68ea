"""Images are read as a viewer shows them: turned, of 16 bits, in CMYK, animated, transparent; resized and cropped."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from archdial.common.errors import Notice, UsageError
from archdial.data import load
from archdial.data.decode import Reading, decode
from archdial.data.viewed import LARGEST
from tests.data.test_data import both, classes_of_images, picture, png


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def seen(*raw: bytes, channels: int = 1, size: tuple[int, int] | None = None) -> torch.Tensor:
    reading = Reading(channels, size)
    return decode([(f"image {number}", one) for number, one in enumerate(raw)], len(raw), reading)[0]


def corners() -> Image.Image:
    """A picture with no symmetry."""
    return Image.fromarray(np.array([[10, 20, 30], [40, 50, 60]], np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    raw = encoded(corners(), kind, exif=exif, **options)
    with Image.open(io.BytesIO(raw)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("L"))
    assert seen(raw)[0, 0].tolist() == expected.tolist()
    if orientation == 6:
        assert expected.tolist() == [[40, 10], [50, 20], [60, 30]]


def test_damaged_exif_stops_nothing() -> None:
    assert seen(encoded(corners(), exif=b"Exif\0\0what is this"))[0, 0].tolist() == np.asarray(corners()).tolist()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_grey_of_16_bits_is_scaled(kind: str) -> None:
    values = np.array([[0, 256, 257, 4000, 32768, 65535]], np.uint16)
    assert seen(encoded(Image.fromarray(values), kind))[0, 0].tolist() == [[0, 1, 1, 16, 128, 255]]


def test_grey_of_16_bits_whose_0_is_white() -> None:
    raw = encoded(Image.fromarray(np.array([[0, 65535, 4000]], np.uint16)), "TIFF")
    entry = b"\x06\x01\x03\x00\x01\x00\x00\x00"
    assert raw.count(entry + b"\x01") == 1
    assert seen(raw.replace(entry + b"\x01", entry + b"\x00"))[0, 0].tolist() == [[255, 0, 239]]


def test_numbers_that_are_no_shades_are_refused() -> None:
    for mode in ("F", "I"):
        with pytest.raises(UsageError, match=r"image 0 cannot be decoded .*more than 16 bits per channel"):
            seen(encoded(Image.new(mode, (2, 2), 7), "TIFF"))


def test_transparent_grey_of_16_bits() -> None:
    raw = encoded(Image.fromarray(np.array([[0, 9000]], np.uint16)), transparency=0)
    assert seen(raw)[0, 0].tolist() == [[255, 35]]


def test_cmyk() -> None:
    raw = encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=95)
    red = seen(raw, channels=3)[0, :, 4, 4].tolist()
    assert red[0] > 250 and red[1] < 5 and red[2] < 5
    assert 70 < int(seen(raw)[0, 0, 4, 4]) < 82


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame(kind: str) -> None:
    frames = [Image.new("L", (4, 4), value) for value in (20, 120, 220)]
    options = {"lossless": True} if kind == "WEBP" else {}
    raw = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert seen(raw).unique().tolist() == [20]


def drawing(mode: str, shade: int) -> Image.Image:
    """A line of a shade on nothing: its last row can be seen, wholly, in half and not at all."""
    values = np.full((4, 4, 4), (shade, shade, shade, 0), np.uint8)
    values[3, :, 3] = (255, 128, 0, 0)
    image = Image.fromarray(values)
    return image if mode == "RGBA" else image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_drawn_in_alpha_alone_is_seen(mode: str, channels: int) -> None:
    black, white, grey = (seen(encoded(drawing(mode, shade)), channels=channels) for shade in (0, 255, 100))
    assert (black[0, :, 3] == torch.tensor([0, 127, 255, 255])).all() and (black[0, :, :3] == 255).all()
    assert (white[0, :, 3] == torch.tensor([255, 128, 0, 0])).all() and (white[0, :, :3] == 0).all()
    assert grey[0, 0, 3, 0] == 100 and (grey[0, :, :3] == 255).all()


def test_palettes_with_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 30, 60, 90])
    image.putpixel((1, 0), 1)
    for kind in ("PNG", "GIF"):
        raw = encoded(image, kind, transparency=0)
        assert seen(raw, channels=3)[0, :, 0].tolist() == [[255, 30], [255, 60], [255, 90]]
    assert seen(encoded(image), channels=3)[0, :, 0].tolist() == [[0, 30], [0, 60], [0, 90]]


def test_opaque_alpha_changes_nothing() -> None:
    image = Image.effect_noise((6, 5), 90).convert("RGB")
    for channels, mode in ((1, "L"), (3, "RGB")):
        expected = torch.from_numpy(np.asarray(image.convert(mode)).copy()).view(5, 6, channels).permute(2, 0, 1)
        assert torch.equal(seen(encoded(image), channels=channels)[0], expected)
        assert torch.equal(seen(encoded(image.convert("RGBA")), channels=channels)[0], expected)


def test_several_photos_of_a_phone() -> None:
    """A file in Multi-Picture format after another, which Pillow opens only as JPEG."""
    raw = encoded(picture(90, (8, 8)), "MPO", save_all=True, append_images=[picture(10, (8, 8))])
    assert Image.open(io.BytesIO(raw)).format == "MPO"
    assert seen(raw, raw, encoded(picture(90, (8, 8)))).unique().tolist() == [90]


# Sizes


@pytest.mark.parametrize(
    ("size", "asked"), [((12, 6), (3, 3)), ((6, 12), (4, 8)), ((3, 3), (9, 5)), ((1, 50), (8, 8)), ((8, 8), (8, 8))]
)
def test_images_are_resized_and_cropped(size: tuple[int, int], asked: tuple[int, int]) -> None:
    found = seen(encoded(picture(77, size)), channels=3, size=asked)
    assert found.shape == (1, 3, *asked) and found.unique().tolist() == [77]


def test_the_centre_is_kept_and_the_shorter_side_covers() -> None:
    values = np.zeros((4, 12), np.uint8)
    values[:, 4:8] = 200
    assert seen(encoded(Image.fromarray(values)), size=(4, 4)).unique().tolist() == [200]
    assert seen(encoded(Image.fromarray(values.T.copy())), size=(4, 4)).unique().tolist() == [200]


def test_resizing_smooths() -> None:
    stripes = np.tile(np.array([0, 200], np.uint8), (64, 32))
    small = seen(encoded(Image.fromarray(stripes)), size=(8, 8)).float()
    assert (small[..., 1:-1] - 100).abs().max() <= 3


def test_a_large_jpeg_is_as_one_that_was_decoded_whole() -> None:
    image = Image.effect_noise((40, 30), 60).resize((800, 600), Image.Resampling.BICUBIC).convert("RGB")
    small = seen(encoded(image, "JPEG", quality=95), channels=3, size=(24, 32)).float()
    whole = seen(encoded(image), channels=3, size=(24, 32)).float()
    assert (small - whole).abs().mean() < 2


def test_a_size_for_images_that_differ(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 3, "b": 3})
    picture(1, size=(30, 40)).save(tmp_path / "b" / "001.png")
    with pytest.raises(UsageError, match=r"b/001\.png is 30x40 pixels, expected 4x4 like .*image_size: 4"):
        load(tmp_path, channels=1)
    assert load(tmp_path, channels=1, image_size=8).input_shape == (1, 8, 8)
    assert load(tmp_path, channels=3, image_size=[6, 10]).input_shape == (3, 6, 10)


def test_a_size_for_parquet_and_digits(tmp_path: Path) -> None:
    both(tmp_path, train_images=[png(1), png(2, (9, 5)), png(3, (5, 6))])
    data = load(tmp_path, channels=1, image_size=(6, 5))
    assert data.input_shape == (1, 6, 5) and data.train.pixels[:, 0, 0, 0].tolist() == [1, 2, 3]
    assert load("digits", channels=3, image_size=12).input_shape == (3, 12, 12)


@pytest.mark.parametrize("size", [0, -3, True, 2.5, "32", (3,), (3, 4, 5), (3, 0), (3, "4"), 60_000])
def test_sizes_that_are_none(size: Any) -> None:
    with pytest.raises(UsageError, match=r"image_size .*, expected"):
        load("digits", channels=1, image_size=size)


def test_more_pixels_are_taken_where_they_are_made_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archdial.data.viewed.MOST_PIXELS", 50)
    raw = png(5, (10, 10))
    with pytest.raises(
        UsageError, match="it has 100 pixels, more than 50; with image_size set, larger files are allowed"
    ):
        seen(raw)
    assert seen(raw, size=(3, 3)).unique().tolist() == [5]
    monkeypatch.setattr("archdial.data.viewed.LARGEST", 60)
    with pytest.raises(UsageError, match="it has 100 pixels, more than 60"):
        seen(raw, size=(3, 3))
    assert LARGEST > 8000 * 8000


# Broken images


def test_broken_images_are_left_out_and_counted(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 1})
    (tmp_path / "train" / "a" / "000.png").write_bytes(b"no image")
    (tmp_path / "train" / "b" / "x.heic").write_bytes(b"no image either")
    with pytest.raises(
        UsageError, match=r"a/000\.png cannot be decoded \(not a format that Pillow supports\).*skip_broken"
    ):
        load(tmp_path, channels=1)
    with pytest.warns(Notice, match=r"2 of 7 images cannot be decoded and are skipped \(.*000\.png, .*x\.heic\)"):
        data = load(tmp_path, channels=1, skip_broken=True)
    assert data.train.labels.tolist() == [0, 0, 1, 1, 1]
    assert data.train.pixels[:, 0, 0, 0].tolist() == [1, 2, 0, 1, 2]


def test_broken_rows_are_left_out(tmp_path: Path) -> None:
    both(tmp_path, test_images=[b"no image", png(8), None])
    with pytest.warns(Notice, match="2 of 3 images"):
        data = load(tmp_path, channels=1, skip_broken=True)
    assert (data.test.labels.tolist(), data.test.pixels.unique().tolist()) == ([1], [8])


def test_when_all_are_broken_or_one_class_is_left(tmp_path: Path) -> None:
    both(tmp_path, test_images=[b"", b"x", None])
    with pytest.raises(UsageError, match=r"none of 3 images can be decoded \(row 0 of"):
        load(tmp_path, channels=1, skip_broken=True)
    both(tmp_path, train_images=[png(1), b"", b""])
    with pytest.warns(Notice), pytest.raises(UsageError, match="belong to one class, 0"):
        load(tmp_path, channels=1, skip_broken=True)
