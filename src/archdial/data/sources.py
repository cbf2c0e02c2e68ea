"""Loading a data set by name or from a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from archdial.common.errors import UsageError
from archdial.common.libraries import imported, install_command
from archdial.data.decode import Reading, resized, sides_of
from archdial.data.folders import load_folder
from archdial.data.images import DataSet, Images
from archdial.data.labels import check_count
from archdial.data.parquet import Table, as_table, tables_to_data

DIGITS_TEST = 500
DIGITS_SEED = 0


def load(
    source: str | Path,
    *,
    channels: Literal[1, 3],
    classes: int | None = None,
    image_size: int | Sequence[int] | None = None,
    skip_broken: bool = False,
) -> DataSet:
    """Return the data set `source`, whole in memory, as grey (`channels` 1) or RGB (3) images of one size.

    `source` is, in this order:

    - `"digits"`: scikit-learn's 8x8 handwritten digits, 1,297 train and 500 test images in a fixed random
      split (a folder of that name is `"./digits"`);
    - a folder with `train*.parquet` and `test*.parquet`, or `train/*.parquet` and `test/*.parquet`, in it or in one of
      its subfolders, in Hugging Face's layout: an image column and a label column of whole numbers, true and false, or
      strings (which are numbered in alphabetical order);
    - a folder with `train/<class>/<image>` and `test/<class>/<image>`, or with subfolders of classes;
    - a folder with `<class>/<image>`: of each class 80 % go to train and 20 % to test, in a fixed random split;
    - the name of a data set with a train and a test split on the Hugging Face hub.

    Args:
        source: see above.
        channels: 1 for grey, 3 for RGB.
        classes: the number of classes; with it, unnamed integer labels may leave out some classes.
        image_size: size of all images, one number or (height, width): each is resized until it just covers that, and
            the centre is cropped. Without it, images of different sizes are rejected.
        skip_broken: skip images that cannot be decoded, and warn how many; otherwise, they are rejected.

    Raises:
        UsageError: there is no such source, a split is missing, an image or label cannot be used, or the library that
            reads the source is missing.
    """
    if channels not in (1, 3):
        raise UsageError(f"{channels} channels requested, expected 1 (grey) or 3 (RGB)")
    if classes is not None and classes < 1:
        raise UsageError(f"{classes} classes requested, expected at least 1: omit the number to count them")
    reading = Reading(channels, sides_of(image_size), skip_broken)
    if source == "digits":
        return _digits(reading, classes)
    folder = Path(source).expanduser()
    # Path("") is the working folder, which nobody means by an empty name.
    if folder.is_dir() and source != "":
        return load_folder(folder.absolute(), reading, classes)
    if folder.exists() and source != "":
        raise UsageError(f"{source} is a file, expected a folder: pass its folder, {folder.parent}")
    if isinstance(source, Path) or source.startswith(("/", ".", "~")) or source.count("/") > 1 or not source:
        raise UsageError(f"no folder {str(source)!r} (looked for {folder.absolute()}): pass an existing folder")
    return _hub(source, folder.absolute(), reading, classes)


def _digits(reading: Reading, classes: int | None) -> DataSet:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UsageError(
            f'the data set "digits" needs scikit-learn, which is not installed: {install_command("digits")}'
        ) from None
    values, targets = load_digits(return_X_y=True)
    grey = torch.from_numpy(values).mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
    pixels = resized(grey, reading.size).repeat(1, reading.channels, 1, 1)
    images = Images(pixels, torch.from_numpy(targets).to(torch.int64))
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(DIGITS_SEED))
    names = check_count("digits", tuple("0123456789"), classes)
    return DataSet("digits", names, images.take(order[DIGITS_TEST:]), images.take(order[:DIGITS_TEST]))


def _hub(name: str, folder: Path, reading: Reading, classes: int | None) -> DataSet:
    # Here, not above: the import takes a second that other sources need not pay.
    datasets = imported("datasets", "loading from the Hugging Face hub", "data")
    try:
        splits = datasets.load_dataset(name)
    # No network, no such name, no right to read it, a damaged cache: the fix is the same.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UsageError(
            f"no data {name!r}: the folder {folder} does not exist, and loading it from the Hugging Face hub failed "
            f"({reason}); pass a folder with train*.parquet and test*.parquet, or digits, or check the name "
            "and your network connection"
        ) from None
    for which in ("train", "test"):
        if which not in splits:
            raise UsageError(
                f"no {which} split in the Hugging Face data set {name!r}, it has {', '.join(splits)}: "
                "save a train and a test split as parquet files and pass their folder"
            )
    train, test = ([_hub_table(f"{name}/{which}", splits[which])] for which in ("train", "test"))
    return tables_to_data(name, train, test, reading, classes)


def _hub_table(name: str, split: Any) -> Table:
    # The Arrow format hands out the encoded bytes; the schema of the features says which column is which.
    table = split.with_format("arrow")[:]
    return as_table(name, Path(), table.replace_schema_metadata(split.features.arrow_schema.metadata))
