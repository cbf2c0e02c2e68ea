"""Tables in the Hugging Face layout (parquet files, or `datasets`): one image column, one label column."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.libraries import imported
from archdial.data.decode import Reading, decode
from archdial.data.images import DataSet, Images
from archdial.data.labels import FLAGS, Label, check_several, classes_of, codes, plain_labels

IMAGE_NAMES = ("image", "img", "images", "picture", "pixels")
# The finest first: CIFAR-100 has both a fine and a coarse label.
LABEL_NAMES = ("label", "labels", "fine_label", "class", "category", "target", "y", "coarse_label")


@dataclass(frozen=True, eq=False)
class Table:
    """One table: its image column (bytes, or structs of bytes and path), its labels and the class names."""

    name: str
    folder: Path
    images: Any
    labels: list[Label]
    names: tuple[str, ...] | None

    def encoded(self) -> Iterator[tuple[str, bytes | Path]]:
        """Yield each image's name and its bytes, or its file where the table holds only the path."""
        row = 0
        for chunk in self.images.chunks:
            for value in chunk.to_pylist():
                yield f"row {row} of {self.name}", self._source(value)
                row += 1

    def _source(self, value: Any) -> bytes | Path:
        fields = value if isinstance(value, dict) else {"bytes": value}
        data = fields.get("bytes")
        if data is None and fields.get("path"):
            return self.folder / str(fields["path"])
        # A number is not an image: `bytes(number)` would be that many zeros.
        return data if isinstance(data, bytes) else b""


def read_parquet(path: Path) -> Table:
    """Return the image and label columns of the parquet file `path`.

    Raises:
        UsageError: no parquet file, one without an image or label column, or pyarrow is missing.
    """
    arrow, parquet = _arrow("pyarrow"), _arrow("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            columns = find_columns(str(path), schema)
            table = file.read(columns=list(columns)).replace_schema_metadata(schema.metadata)
    except (arrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as parquet ({error}): restore a copy") from None
    return as_table(str(path), path.parent, table)


def _arrow(module: str) -> Any:
    """Return a module of pyarrow, which takes a tenth of a second that other sources need not pay."""
    return imported(module, "reading parquet files", "data")


def as_table(name: str, folder: Path, table: Any) -> Table:
    """Return the image and label columns of an Arrow `table`; paths in it are relative to `folder`.

    Raises:
        UsageError: there is none, or a label is a number that is not whole.
    """
    image, label = find_columns(name, table.schema)
    column = table.column(label)
    names: Any = _features(table.schema).get(label, {}).get("names")
    if names is None and _arrow("pyarrow.types").is_boolean(column.type):
        names = list(FLAGS)
    known = tuple(names) if isinstance(names, list) and all(isinstance(one, str) for one in names) else ()
    return Table(name, folder, table.column(image), plain_labels(name, column.to_pylist()), known or None)


def find_columns(name: str, schema: Any) -> tuple[str, str]:
    """Return the names of the image and the label column: by Hugging Face feature, else by name and type.

    Raises:
        UsageError: there is none; the message lists the columns there are.
    """
    features = _features(schema)
    fields = {field.name: field.type for field in schema}
    found = []
    for what, feature, names, fits in (
        ("image", "Image", IMAGE_NAMES, _holds_images),
        ("label", "ClassLabel", LABEL_NAMES, _holds_labels),
    ):
        typed = [column for column in fields if features.get(column, {}).get("_type") == feature]
        called = [column for known in names for column in fields if column.lower() == known]
        named = [column for column in called if fits(fields[column])]
        # Of several typed columns the one with the usual name counts.
        best = [column for column in named if column in typed] or typed or named
        if not best:
            _check_labels(name, [(column, fields[column]) for column in called if what == "label"])
            raise UsageError(
                f"{name} has no {what} column among {', '.join(fields) or 'none'}: expected the Hugging Face "
                f"feature {feature}, or one of {', '.join(names)}; rename the column"
            )
        found.append(best[0])
    _check_labels(name, [(found[1], fields[found[1]])])
    return found[0], found[1]


def _check_labels(name: str, columns: Sequence[tuple[str, Any]]) -> None:
    """Raise UsageError at the first of `columns`, names and types, that cannot hold one label an image."""
    for column, kind in columns:
        if not _holds_labels(kind):
            raise UsageError(
                f"the column {column} of {name} contains {kind}, expected one label per image; multi-hot labels need "
                "MultiLabel with a DataLoader"
            )


def tables_to_data(
    name: str, train: Sequence[Table], test: Sequence[Table], reading: Reading, classes: int | None
) -> DataSet:
    """Return the data set of the tables of both splits, its class names those of the tables.

    Raises:
        UsageError: an empty split, train labels of one class alone, a label outside the classes, or an image that
            cannot be used.
    """
    for which, tables in (("train", train), ("test", test)):
        if not any(table.labels for table in tables):
            raise UsageError(f"the {which} split of {name} is empty, expected at least one row: add rows")
    named = list(dict.fromkeys(table.names for table in (*train, *test) if table.names))
    told, tested = ([label for table in part for label in table.labels] for part in (train, test))
    known = classes_of(name, told, tested, named, classes)
    # Labels first: they are checked in no time, while images take seconds.
    labels = [torch.cat([codes(table.name, table.labels, known) for table in part]) for part in (train, test)]
    check_several(name, labels[0], known.names)
    images = _images(train, labels[0], reading, None)
    check_several(name, images.labels, known.names)
    first = f"row 0 of {train[0].name}"
    return DataSet(name, known.names, images, _images(test, labels[1], reading, (first, images.pixels)))


def _images(tables: Sequence[Table], labels: Tensor, reading: Reading, like: tuple[str, Tensor] | None) -> Images:
    encoded = (pair for table in tables for pair in table.encoded())
    pixels, kept = decode(encoded, len(labels), reading, like)
    return Images(pixels, labels[kept])


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """Return the Hugging Face features by column, {} where the schema has none."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {column: feature for column, feature in features.items() if isinstance(feature, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _holds_images(kind: Any) -> bool:
    types = _arrow("pyarrow.types")
    if types.is_struct(kind):
        return any(kind.field(index).name == "bytes" for index in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _holds_labels(kind: Any) -> bool:
    types = _arrow("pyarrow.types")
    kind = kind.value_type if types.is_dictionary(kind) else kind
    numbers = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean)
    return any(fits(kind) for fits in (*numbers, types.is_string, types.is_large_string))
