"""The image files of class folders, including subfolders; skipped files are reported."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from archdial.common.errors import Notice, UsageError

Files = dict[str, list[Path]]
"""By class, both in the order of their names."""

UNREAD = frozenset({".avif", ".heic", ".heif", ".jxl", ".svg", ".dng", ".cr2", ".nef", ".arw"})
"""Endings of images that Pillow may not know: better named than left out in silence."""


def by_class(folder: Path) -> Files:
    """Return the image files of each class folder in `folder`.

    Raises:
        UsageError: there is no class folder, or one without an image.
    """
    found: Files = {}
    for place in folders_in(folder):
        paths = sorted(path for path in _files_in(place) if is_image(path))
        if not paths:
            raise UsageError(
                f"the class folder {place} contains no images, expected PNG, JPEG or similar: add images or remove it"
            )
        found[place.name] = paths
    if not found:
        raise UsageError(
            f"{folder} contains no data, expected train*.parquet and test*.parquet, or one folder of images "
            "per class: pass another folder or add data"
        )
    _tell_beside(folder)
    return found


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in `folder`, in the order of their names, without hidden ones."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")


def is_image(path: Path) -> bool:
    """Tell whether `path` ends as an image does."""
    from PIL import Image

    Image.init()
    ending = path.suffix.lower()
    return path.name[0] != "." and (ending in Image.EXTENSION or ending in UNREAD)


def _files_in(place: Path) -> Iterator[Path]:
    """Yield the files in `place` and its subfolders, also those that are links; none of them twice."""
    known: set[str] = set()
    for here, folders, names in os.walk(place, followlinks=True):
        real = os.path.realpath(here)
        folders[:] = [name for name in folders if name[0] != "." and real not in known]
        if real not in known:
            known.add(real)
            yield from (Path(here, name) for name in names)


def _tell_beside(folder: Path) -> None:
    beside = sorted(path.name for path in folder.iterdir() if path.is_file() and is_image(path))
    if beside:
        warnings.warn(
            f"{len(beside):,} images directly in {folder}, outside any class folder, are ignored "
            f"({', '.join(beside[:3])}{', …' if len(beside) > 3 else ''})",
            Notice,
            stacklevel=2,
        )
