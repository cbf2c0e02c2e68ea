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
from archdial.data.decode import decode
from archdial.data.images import DataSet, Images

IMAGE_NAMES = ("image", "img", "images", "picture", "pixels")
# The finest first: CIFAR-100 has both a fine and a coarse label.
LABEL_NAMES = ("label", "labels", "fine_label", "class", "target", "coarse_label")


@dataclass(frozen=True, eq=False)
class Table:
    """One table: its image column (bytes, or structs of bytes and path), its labels and the class names."""

    name: str
    folder: Path
    images: Any
    labels: list[int | str | None]
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
        # A number is no image, and so many bytes of nothing to Python.
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
        raise UsageError(f"{path} cannot be read as parquet ({error}): restore a copy of it") from None
    return as_table(str(path), path.parent, table)


def _arrow(module: str) -> Any:
    """Return a module of pyarrow, which takes a tenth of a second that other sources need not pay."""
    return imported(module, "reading parquet files", "data")


def as_table(name: str, folder: Path, table: Any) -> Table:
    """Return the image and label columns of an Arrow `table`; paths in it are relative to `folder`."""
    image, label = find_columns(name, table.schema)
    names = _features(table.schema).get(label, {}).get("names")
    known = tuple(names) if isinstance(names, list) and all(isinstance(one, str) for one in names) else ()
    return Table(name, folder, table.column(image), table.column(label).to_pylist(), known or None)


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
        named = [column for column in names if column in fields and fits(fields[column])]
        # Of several typed columns the one with the usual name counts.
        best = [column for column in named if column in typed] or typed or named
        if not best:
            raise UsageError(
                f"{name} has no {what} column among {', '.join(fields) or 'none'}: expected the Hugging Face "
                f"feature {feature}, or one of {', '.join(names)}; rename the column"
            )
        found.append(best[0])
    return found[0], found[1]


def tables_to_data(
    name: str, train: Sequence[Table], test: Sequence[Table], channels: int, classes: int | None
) -> DataSet:
    """Return the data set of the tables of both splits, its class names those of the tables.

    Raises:
        UsageError: an empty split, a label outside the classes, or an image that cannot be used.
    """
    for which, tables in (("train", train), ("test", test)):
        if not any(table.labels for table in tables):
            raise UsageError(f"the {which} split of {name} has no row, expected one at least: fill it")
    names = _class_names(name, train, test, classes)
    # Labels first: they are checked in no time, while images take seconds.
    labels = [torch.cat([_codes(table, names) for table in tables]) for tables in (train, test)]
    pixels = _pixels(train, channels, None)
    first = f"row 0 of {train[0].name}"
    tested = _pixels(test, channels, (first, pixels))
    return DataSet(name, names, Images(pixels, labels[0]), Images(tested, labels[1]))


def _pixels(tables: Sequence[Table], channels: int, like: tuple[str, Tensor] | None) -> Tensor:
    encoded = (pair for table in tables for pair in table.encoded())
    return decode(encoded, sum(len(table.labels) for table in tables), channels, like)


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
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))


def _class_names(name: str, train: Sequence[Table], test: Sequence[Table], classes: int | None) -> tuple[str, ...]:
    named = list(dict.fromkeys(table.names for table in (*train, *test) if table.names))
    if len(named) > 1:
        raise UsageError(
            f"{name} names its classes in two ways, {named[0]} and {named[1]}: give all files the same names"
        )
    labels = [label for table in train for label in table.labels]
    if named:
        names = named[0]
    elif any(isinstance(label, str) for label in labels):
        names = tuple(sorted({label for label in labels if isinstance(label, str)}))
    else:
        names = _numbered(name, [label for label in labels if isinstance(label, int)], classes)
    return check_count(name, names, classes)


def _numbered(name: str, labels: list[int], classes: int | None) -> tuple[str, ...]:
    count = classes if classes is not None else max(labels, default=0) + 1
    # Without this, one wild label would make a thousand million classes.
    if classes is None and count > len(labels):
        raise UsageError(
            f"{name} has the label {count - 1} but only {len(labels)} labelled train images, expected labels "
            "counted from 0: mend the label or give the number of classes"
        )
    return tuple(str(index) for index in range(count))


def check_count(name: str, names: tuple[str, ...], classes: int | None) -> tuple[str, ...]:
    """Return `names` where there are `classes` of them, or where no number was asked for."""
    if classes is not None and classes != len(names):
        raise UsageError(
            f"{classes} classes asked for, but {name} has {len(names)} ({', '.join(names[:10])}"
            f"{', …' if len(names) > 10 else ''}): ask for {len(names)} or leave the number out"
        )
    return names


def _codes(table: Table, names: tuple[str, ...]) -> Tensor:
    """Return the class indices int64 (rows,) of the labels of `table`."""
    index = {name: code for code, name in enumerate(names)}
    codes = []
    for row, label in enumerate(table.labels):
        code = index.get(label) if isinstance(label, str) else label
        if not isinstance(code, int) or not 0 <= code < len(names):
            expected = f"one of {', '.join(names[:10])}" if isinstance(label, str) else f"0 to {len(names) - 1}"
            raise UsageError(
                f"row {row} of {table.name} has the label {label!r}, expected {expected}: "
                "mend the label or leave the row out"
            )
        codes.append(code)
    return torch.tensor(codes, dtype=torch.int64)
