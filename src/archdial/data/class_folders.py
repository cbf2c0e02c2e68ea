"""One folder of images per class; split by class if there are no split folders."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from archdial.common.errors import Notice, UsageError
from archdial.data.class_files import Files, by_class, folders_in
from archdial.data.decode import Reading, decode
from archdial.data.images import DataSet, Images
from archdial.data.labels import check_count, check_several

SPLITS = ("train", "test")
TEST_SHARE = 0.2
SEED = 0

_CALLED = {"train": ("train", "training"), "test": ("test", "testing")}
_OTHERS = ("val", "valid", "validation", "dev", "eval", "evaluation")


def load_class_folders(folder: Path, reading: Reading, classes: int | None) -> DataSet:
    """Return the data set of train/<class>/<image> and test/<class>/<image> in `folder`, or of <class>/<image>.

    Raises:
        UsageError: a split is missing, there is one class alone, or an image cannot be used.
    """
    places = _splits(folder)
    if places is None:
        return _split_classes(folder, reading, classes)
    files, tests = (by_class(places[which]) for which in SPLITS)
    names = check_count(str(folder), tuple(files), classes)
    for name in tests:
        if name not in files:
            raise UsageError(
                f"{places['test'] / name} is a class without training images, expected one of "
                f"{', '.join(names[:10])}: add {places['train'] / name} or remove it"
            )
    _check_classes(places["train"], names)
    train = _read(files, names, reading, None)
    check_several(str(folder), train.labels, names)
    first = str(next(iter(files.values()))[0])
    return DataSet(folder.name, names, train, _read(tests, names, reading, (first, train.pixels)))


def _splits(folder: Path) -> dict[str, Path] | None:
    """Return the folders of the splits, or None where the folders are those of classes."""
    places = folders_in(folder)
    found = {which: _called(places, called) for which, called in _CALLED.items()}
    usual = {name for called in _CALLED.values() for name in called} | {*_OTHERS}
    only_splits = bool(places) and all(place.name.lower() in usual for place in places)
    given = {which: place for which, place in found.items() if place is not None}
    if len(given) < len(SPLITS):
        if not only_splits and not any(place.name in SPLITS for place in places):
            return None
        missing = next(which for which in SPLITS if which not in given)
        spare = [place.name for place in places if place.name.lower() in _OTHERS]
        rename = f", or rename {spare[0]}" if spare else ""
        raise UsageError(f"no {missing} split in {folder}: expected the folder {folder / missing}; add it{rename}")
    if unread := [place.name for place in places if place not in given.values()]:
        warnings.warn(
            f"in {folder}, only {' and '.join(place.name for place in given.values())} are read, not "
            f"{', '.join(unread[:10])}",
            Notice,
            stacklevel=2,
        )
    return given


def _called(places: Sequence[Path], names: Sequence[str]) -> Path | None:
    exact = [place for place in places if place.name == names[0]]
    return next(iter(exact or [place for place in places if place.name.lower() in names]), None)


def _check_classes(folder: Path, names: Sequence[str]) -> None:
    if len(names) > 1:
        return
    inner = folders_in(folder / names[0])
    hint = f", or pass {folder / names[0]} if its subfolders are the classes" if len(inner) > 1 else ""
    raise UsageError(
        f"{folder} contains one class, {names[0]}: expected at least two, because one is trivial to predict; add a "
        f"folder with images of another{hint}"
    )


def _split_classes(folder: Path, reading: Reading, classes: int | None) -> DataSet:
    files = by_class(folder)
    names = check_count(str(folder), tuple(files), classes)
    if sum(len(paths) for paths in files.values()) < 2:
        raise UsageError(f"{folder} contains one image, expected at least two, to train and to test: add images")
    _check_classes(folder, names)
    _check_counts(folder, [len(paths) for paths in files.values()])
    images = _read(files, names, reading, None)
    check_several(str(folder), images.labels, names)
    counts = images.labels.bincount(minlength=len(names)).tolist()
    _check_counts(folder, counts)
    if lone := [name for name, count in zip(names, counts, strict=True) if count == 1]:
        warnings.warn(
            f"classes of {folder} with a single image, which is used for training, so they are not tested: "
            f"{', '.join(lone[:10])}{', …' if len(lone) > 10 else ''}",
            Notice,
            stacklevel=2,
        )
    tested = _held_out(images.labels)
    return DataSet(folder.name, names, images.take((~tested).nonzero()[:, 0]), images.take(tested.nonzero()[:, 0]))


def _check_counts(folder: Path, counts: Sequence[int]) -> None:
    if max(counts) < 2:
        raise UsageError(
            f"{folder} contains one image per class, expected at least two in one, to train and to test: add images"
        )


def _held_out(labels: Tensor) -> Tensor:
    """Return which images test: a fifth of each class, of two images or more at least one; the same each time.

    Each class is drawn by itself, so that what is added to one leaves the others as they were.
    """
    tested = torch.zeros(len(labels), dtype=torch.bool)
    for label in labels.unique():
        places = (labels == label).nonzero()[:, 0]
        order = torch.randperm(len(places), generator=torch.Generator().manual_seed(SEED))
        count = max(1, round(TEST_SHARE * len(places))) if len(places) > 1 else 0
        tested[places[order[:count]]] = True
    return tested


def _read(files: Files, names: tuple[str, ...], reading: Reading, like: tuple[str, Tensor] | None) -> Images:
    encoded = [(str(path), path) for paths in files.values() for path in paths]
    numbers = {name: number for number, name in enumerate(names)}
    labels = torch.tensor([numbers[name] for name, paths in files.items() for _ in paths], dtype=torch.int64)
    pixels, kept = decode(encoded, len(encoded), reading, like)
    return Images(pixels, labels[kept])
