"""Labels in tables: whole numbers, strings or booleans; the classes they name, and their numbers."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import Notice, UsageError

Label = int | str | None

FLAGS = ("False", "True")


@dataclass(frozen=True)
class Classes:
    """Names of classes; whole numbers as labels count them from `first` on."""

    names: tuple[str, ...]
    first: int = 0


def plain_labels(name: str, values: Sequence[Any]) -> list[Label]:
    """Return `values`, as Arrow gave them, as whole numbers, texts or None; `name` is that of the table.

    Raises:
        UsageError: a number is not whole.
    """
    return [_plain(name, row, value) for row, value in enumerate(values)]


def _plain(name: str, row: int, value: Any) -> Label:
    if isinstance(value, float | Decimal):
        if value != value or value in (float("inf"), float("-inf")) or value != int(value):
            raise UsageError(
                f"row {row} of {name} has the label {value}, expected a whole number as the class: fix the label; "
                "to predict values, use Regression with a DataLoader"
            )
        return int(value)
    return int(value) if isinstance(value, bool) else value


def classes_of(
    name: str,
    labels: Iterable[Label],
    tested: Iterable[Label],
    named: Sequence[tuple[str, ...]],
    classes: int | None,
) -> Classes:
    """Return the classes of the data set `name`.

    Args:
        labels: of its train split.
        tested: of its test split.
        named: the names of classes that its tables give.
        classes: how many there are, if the user says so.

    Raises:
        UsageError: tables name them in two ways, or they are not as many as they should be.
    """
    if len(named) > 1:
        raise UsageError(
            f"{name} has two different lists of class names, {named[0]} and {named[1]}: use the same names in all files"
        )
    known = list(labels)
    texts = {label for label in known if isinstance(label, str)}
    if named or texts:
        return Classes(check_count(name, named[0] if named else tuple(sorted(texts)), classes))
    return _numbered(name, _numbers(known), _numbers(tested), classes)


def _numbers(labels: Iterable[Label]) -> list[int]:
    return [label for label in labels if isinstance(label, int)]


def _numbered(name: str, labels: list[int], tested: list[int], classes: int | None) -> Classes:
    most = max(labels, default=0)
    first = _first(min([*labels, *tested], default=0), most, classes)
    count = classes if classes is not None else most - first + 1
    # Without this, one wild label would make a thousand million classes.
    if classes is None and count > len(labels):
        raise UsageError(
            f"{name} has the label {most} but only {len(labels)} labelled training images, expected labels "
            f"counted from {first}: fix the label or give the number of classes"
        )
    if first:
        warnings.warn(f"the labels of {name} start at {first}: class 0 is label {first}", Notice, stacklevel=2)
    return Classes(tuple(str(first + index) for index in range(count)), first)


def _first(least: int, most: int, classes: int | None) -> int:
    """Return the label of class 0: the least one, unless the number of classes leaves room for smaller ones."""
    return max(0, least) if classes is None or most >= classes > most - least else 0


def check_count(name: str, names: tuple[str, ...], classes: int | None) -> tuple[str, ...]:
    """Return `names` where there are `classes` of them, or where no number was asked for."""
    if classes is not None and classes != len(names):
        raise UsageError(
            f"{classes} classes asked for, but {name} has {len(names)} ({', '.join(names[:10])}"
            f"{', …' if len(names) > 10 else ''}): ask for {len(names)} or omit the number"
        )
    return names


def check_several(name: str, labels: Tensor, names: Sequence[str]) -> None:
    """Raise UsageError where all train `labels` are of one class: whatever is done would be right."""
    found = labels.unique().tolist()
    if len(found) == 1:
        raise UsageError(
            f"all training images of {name} belong to one class, {names[found[0]]}: expected at least two, because "
            "one is trivial to predict; add images of another"
        )


def codes(name: str, labels: Sequence[Label], classes: Classes) -> Tensor:
    """Return the class indices int64 (rows,) of the labels of the table `name`.

    Raises:
        UsageError: a label is none of a class.
    """
    index = {text: code for code, text in enumerate(classes.names)}
    found = []
    for row, label in enumerate(labels):
        code = label - classes.first if isinstance(label, int) else index.get(label) if label is not None else None
        if code is None or not 0 <= code < len(index):
            raise UsageError(
                f"row {row} of {name} has the label {label!r}, expected {_expected(label, classes)}: "
                "fix the label or remove the row"
            )
        found.append(code)
    return torch.tensor(found, dtype=torch.int64)


def _expected(label: Label, classes: Classes) -> str:
    if isinstance(label, str):
        return f"one of {', '.join(classes.names[:10])}"
    return f"{classes.first} to {classes.first + len(classes.names) - 1}"
