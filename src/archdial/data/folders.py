"""Folders of the user: parquet files, or one folder of images a class."""

from pathlib import Path

import torch

from archdial.common.errors import UsageError
from archdial.data.decode import decode
from archdial.data.images import DataSet, Images
from archdial.data.parquet import check_count, read_parquet, tables_to_data

SPLITS = ("train", "test")
TEST_SHARE = 0.2
SEED = 0


def load_folder(folder: Path, channels: int, classes: int | None) -> DataSet:
    """Return the data set in `folder`, whichever of the layouts of `load` it has.

    Raises:
        UsageError: the folder is empty, lacks a split, or holds an image or label that cannot be used.
    """
    for place in (folder, folder / "data"):
        if any(place.glob("*.parquet")):
            return _load_parquet(folder.name, place, channels, classes)
    return _load_class_folders(folder, channels, classes)


def _load_parquet(name: str, folder: Path, channels: int, classes: int | None) -> DataSet:
    files = [sorted(folder.glob(f"{which}*.parquet")) for which in SPLITS]
    for which, found in zip(SPLITS, files, strict=True):
        if not found:
            there = ", ".join(path.name for path in sorted(folder.glob("*.parquet"))[:5])
            raise UsageError(
                f"no {which} split in {folder}: expected {which}*.parquet beside or instead of {there}; "
                "add or rename a file"
            )
    train, test = ([read_parquet(path) for path in found] for found in files)
    return tables_to_data(name, train, test, channels, classes)


def _load_class_folders(folder: Path, channels: int, classes: int | None) -> DataSet:
    present = [which for which in SPLITS if (folder / which).is_dir()]
    if len(present) == 1:
        missing = next(which for which in SPLITS if which not in present)
        raise UsageError(f"no {missing} split in {folder}: expected the folder {folder / missing}; add it")
    if not present:
        return _split_classes(folder, channels, classes)
    files, tests = (_by_class(folder / which) for which in SPLITS)
    names = check_count(str(folder), tuple(files), classes)
    for name in tests:
        if name not in files:
            raise UsageError(
                f"{folder / 'test' / name} is a class without train images, expected one of "
                f"{', '.join(names[:10])}: add {folder / 'train' / name} or remove it"
            )
    train = _read(files, names, channels, None)
    return DataSet(folder.name, names, train, _read(tests, names, channels, (str(_first(files)), train)))


def _split_classes(folder: Path, channels: int, classes: int | None) -> DataSet:
    files = _by_class(folder)
    names = check_count(str(folder), tuple(files), classes)
    count = sum(len(paths) for paths in files.values())
    if count < 2:
        raise UsageError(f"{folder} holds one image, expected two at least, to train and to test: add images")
    order = torch.randperm(count, generator=torch.Generator().manual_seed(SEED))
    tests = max(1, round(TEST_SHARE * count))
    images = _read(files, names, channels, None)
    return DataSet(
        folder.name, names, images.take(order[tests:].sort().values), images.take(order[:tests].sort().values)
    )


def _by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the image files of each class folder in `folder`, both in the order of their names."""
    from PIL import Image

    Image.init()
    found: dict[str, list[Path]] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != "."):
        paths = sorted(
            path for path in place.iterdir() if path.suffix.lower() in Image.EXTENSION and path.name[0] != "."
        )
        if not paths:
            raise UsageError(
                f"the class folder {place} holds no image, expected PNG, JPEG or such: fill it or remove it"
            )
        found[place.name] = paths
    if not found:
        raise UsageError(
            f"{folder} holds no data, expected train*.parquet and test*.parquet, or one folder of images "
            "a class: name another folder or fill it"
        )
    return found


def _first(files: dict[str, list[Path]]) -> Path:
    return next(iter(files.values()))[0]


def _read(
    files: dict[str, list[Path]], names: tuple[str, ...], channels: int, like: tuple[str, Images] | None
) -> Images:
    encoded = [(str(path), path) for paths in files.values() for path in paths]
    pixels = decode(encoded, len(encoded), channels, (like[0], like[1].pixels) if like else None)
    labels = [names.index(name) for name, paths in files.items() for _ in paths]
    return Images(pixels, torch.tensor(labels, dtype=torch.int64))
