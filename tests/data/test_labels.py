"""Labels of tables: floats, flags, decimals, lists, numbers from 1 on, and the names of their column."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from archdial.common.errors import Notice
from archdial.data import load
from tests.data.test_data import both, fails, png, write


@pytest.mark.parametrize("kind", [float, Decimal])
def test_whole_numbers_of_other_types(tmp_path: Path, kind: Any) -> None:
    data = load(both(tmp_path, train_labels=[kind(0), kind(1), kind(2)]), channels=1)
    assert data.classes == ("0", "1", "2") and data.train.labels.tolist() == [0, 1, 2]


@pytest.mark.parametrize("bad", [1.5, float("nan"), float("inf")])
def test_numbers_that_are_not_whole(tmp_path: Path, bad: float) -> None:
    fails(
        both(tmp_path, train_labels=[0.0, bad, 1.0]), f"row 1 of {tmp_path}/train.parquet has the label {bad}", "whole"
    )


def test_flags_are_two_classes(tmp_path: Path) -> None:
    data = load(both(tmp_path, train_labels=[True, False, True], test_labels=[False, True, True]), channels=1)
    assert data.classes == ("False", "True")
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([1, 0, 1], [0, 1, 1])
    data = load(both(tmp_path, train_labels=[True, False, True], test_labels=[True] * 3), channels=1)
    assert data.test.labels.tolist() == [1, 1, 1]


@pytest.mark.parametrize("names", [None, ["a", "b", "c"]])
def test_lists_are_for_another_task(tmp_path: Path, names: list[str] | None) -> None:
    rows = [[1, 0, 1], [0, 1, 0], [1, 1, 1]]
    fails(
        both(tmp_path, train_labels=rows, test_labels=rows, names=names),
        "the column label of",
        "list<",
        "expected one label per image; multi-hot labels need MultiLabel with a DataLoader",
    )


def test_labels_from_1_on_make_no_empty_class(tmp_path: Path) -> None:
    both(tmp_path, train_labels=[1, 2, 3], test_labels=[3, 1, 1])
    with pytest.warns(Notice, match="start at 1: class 0 is label 1"):
        data = load(tmp_path, channels=1)
    assert data.classes == ("1", "2", "3")
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1, 2], [2, 0, 0])
    with pytest.warns(Notice):
        assert load(tmp_path, channels=1, classes=3).train.labels.tolist() == [0, 1, 2]
    assert load(tmp_path, channels=1, classes=4).train.labels.tolist() == [1, 2, 3]
    both(tmp_path, train_labels=[1, 2, 3], test_labels=[3, 1, 4])
    with pytest.warns(Notice):
        fails(tmp_path, "row 2 of", "has the label 4, expected 1 to 3")


def test_a_0_among_test_labels_is_a_class(tmp_path: Path) -> None:
    data = load(both(tmp_path, train_labels=[1, 2, 1], test_labels=[0, 1, 2]), channels=1)
    assert data.classes == ("0", "1", "2") and data.train.labels.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    "column", ["labels", "class", "category", "target", "y", "fine_label", "coarse_label", "Label"]
)
def test_names_of_the_label_column(tmp_path: Path, column: str) -> None:
    assert load(both(tmp_path, label=column), channels=1).train.labels.tolist() == [0, 1, 2]


def test_label_comes_before_other_names_unless_it_holds_something_else(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    for which in ("train", "test"):
        path = tmp_path / f"{which}.parquet"
        write(path, [png(1), png(2)], [0, 1])
        pq.write_table(pq.read_table(path).append_column("class", pa.array([1, 0])), path)
    assert load(tmp_path, channels=1).train.labels.tolist() == [0, 1]
    for which in ("train", "test"):
        path = tmp_path / f"{which}.parquet"
        table = pq.read_table(path)
        pq.write_table(table.set_column(table.column_names.index("label"), "label", pa.array([[1], [0]])), path)
    assert load(tmp_path, channels=1).train.labels.tolist() == [1, 0]
