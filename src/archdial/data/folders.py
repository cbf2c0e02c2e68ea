"""The user's folders: parquet files, or one folder of images per class."""

from __future__ import annotations

from pathlib import Path

from archdial.common.errors import UsageError
from archdial.data.class_files import folders_in
from archdial.data.class_folders import SPLITS, load_class_folders
from archdial.data.decode import Reading
from archdial.data.images import DataSet
from archdial.data.parquet import read_parquet, tables_to_data


def load_folder(folder: Path, reading: Reading, classes: int | None) -> DataSet:
    """Return the data set in `folder`, whichever of the layouts of `load` it has.

    Raises:
        UsageError: the folder is empty, lacks a split, or holds an image or label that cannot be used.
    """
    place = _parquet_place(folder)
    if place is None:
        return load_class_folders(folder, reading, classes)
    return _load_parquet(folder.name, place, reading, classes)


def _parquet_place(folder: Path) -> Path | None:
    """Return where the parquet files are: in `folder`, in data, or in the one subfolder that has some, if any."""
    for place in (folder, folder / "data"):
        if _holds_parquet(place):
            return place
    # As the hub's own conversion has it, whose subfolders are named after the configuration.
    inner = [place for place in folders_in(folder) if _holds_parquet(place)]
    if len(inner) > 1:
        names = ", ".join(place.name for place in inner[:10])
        raise UsageError(
            f"{folder} contains several data sets ({names}), expected one: pass the folder of one, such as {inner[0]}"
        )
    return inner[0] if inner else None


def _holds_parquet(place: Path) -> bool:
    return any(any(place.glob(pattern)) for pattern in ("*.parquet", "train/*.parquet", "test/*.parquet"))


def _files_of(which: str, place: Path) -> list[Path]:
    """Return the files of a split, which lie in `place`, or in a folder of the split's name."""
    beside, within = (sorted(place.glob(pattern)) for pattern in (f"{which}*.parquet", f"{which}/*.parquet"))
    if beside and within:
        raise UsageError(
            f"{place} contains {beside[0].name} and {within[0].relative_to(place)}: expected the {which} split in one "
            "place; move one of them away"
        )
    return beside or within


def _load_parquet(name: str, place: Path, reading: Reading, classes: int | None) -> DataSet:
    files = [_files_of(which, place) for which in SPLITS]
    for which, found in zip(SPLITS, files, strict=True):
        if not found:
            there = ", ".join(str(path.relative_to(place)) for path in sorted(place.rglob("*.parquet"))[:5])
            raise UsageError(
                f"no {which} split in {place}: expected {which}*.parquet or {which}/*.parquet next to or instead of "
                f"{there}; add or rename a file"
            )
    train, test = ([read_parquet(path) for path in found] for found in files)
    return tables_to_data(name, train, test, reading, classes)
