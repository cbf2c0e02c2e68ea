"""Folders of the user: subfolders, lone images, the stratified fifth, the hub's layouts, and what is said of them."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
import torch

from archdial.common.errors import Notice, UsageError
from archdial.data import DataSet, Images, load
from tests.data.test_data import both, classes_of_images, fails, picture, png, write


def test_subfolders_belong_to_the_class_above_them(tmp_path: Path) -> None:
    counts = {"train/a": 1, "train/a/indoors": 2, "train/a/outdoors/far": 3, "train/b/x": 2, "test/a/y": 1, "test/b": 1}
    for place, count in counts.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            picture(index).save(tmp_path / place / f"{index}.png")
    data = load(tmp_path, channels=1)
    assert data.classes == ("a", "b")
    assert data.train.labels.tolist() == [0] * 6 + [1] * 2 and data.test.labels.tolist() == [0, 1]


def test_links_among_subfolders_are_followed_once(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"set/train/a": 1, "set/train/b": 1, "set/test/a": 1, "set/test/b": 1, "other": 2})
    (tmp_path / "set/train/a/more").symlink_to(tmp_path / "other")
    (tmp_path / "set/train/b/round").symlink_to(tmp_path / "set/train/b")
    assert load(tmp_path / "set", channels=1).train.labels.tolist() == [0, 0, 0, 1]


def test_hidden_and_other_files_are_no_images(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 2, "b": 2, "b/.cache": 3, ".git": 1})
    (tmp_path / "a" / "notes.txt").write_text("ours")
    (tmp_path / "a" / "._000.png").write_bytes(b"of a Mac")
    data = load(tmp_path, channels=1)
    assert (len(data.train), len(data.test)) == (2, 2)


def test_a_fifth_of_each_class_tests(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 40, "b": 10, "c": 3, "d": 2})
    data = load(tmp_path, channels=1)
    assert data.test.labels.bincount().tolist() == [8, 2, 1, 1]
    assert data.train.labels.bincount().tolist() == [32, 8, 2, 1]
    assert data.train.labels.tolist() == sorted(data.train.labels.tolist())
    before = data.test.pixels[data.test.labels == 0]
    classes_of_images(tmp_path, {"aa": 5})
    again = load(tmp_path, channels=1)
    assert torch.equal(again.test.pixels[again.test.labels == 0], before)


def test_a_lone_image_trains(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 5, "b": 1, "c": 1})
    with pytest.warns(Notice, match="with a single image, which is used for training, so they are not tested: b, c"):
        data = load(tmp_path, channels=1)
    assert data.train.labels.bincount().tolist() == [4, 1, 1] and data.test.labels.tolist() == [0]


@pytest.mark.parametrize("place", ["", "train/"])
def test_one_class_is_refused(tmp_path: Path, place: str) -> None:
    classes_of_images(tmp_path, {f"{place}cats/young": 3, f"{place}cats/old": 3})
    if place:
        classes_of_images(tmp_path, {"test/cats": 1})
    fails(tmp_path, "one class, cats", f"or pass {tmp_path / place / 'cats'} if its subfolders")


def test_one_class_in_parquet_is_refused(tmp_path: Path) -> None:
    fails(both(tmp_path, train_labels=[1, 1, 1], names=["a", "b", "c"]), "belong to one class, b")


def test_other_names_of_splits(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"Training/a": 2, "Training/b": 1, "Testing/a": 1, "Validation/a": 1})
    with pytest.warns(Notice, match="only Training and Testing are read, not Validation"):
        data = load(tmp_path, channels=1)
    assert (data.classes, len(data.train), len(data.test)) == (("a", "b"), 3, 1)


def test_validation_folders_are_no_classes(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"Train/a": 2, "val/a": 1})
    fails(tmp_path, "no test split", tmp_path / "test", "or rename val")


def test_images_of_no_class_are_told(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 2, "b": 2})
    picture(1).save(tmp_path / "beside.png")
    with pytest.warns(Notice, match=r"1 images directly in .*, .*beside\.png"):
        load(tmp_path, channels=1)


# Parquet


@pytest.mark.parametrize("place", ["", "data", "default", "plain_text", "fashion_mnist"])
def test_the_layout_of_the_hubs_conversion(tmp_path: Path, place: str) -> None:
    for which in ("train", "test"):
        write(tmp_path / place / which / "0000.parquet", [png(10), png(20)], [0, 1])
    write(tmp_path / place / "train" / "0001.parquet", [png(30)], [1])
    data = load(tmp_path, channels=1)
    assert data.train.pixels[:, 0, 0, 0].tolist() == [10, 20, 30] and len(data.test) == 2
    shutil.rmtree(tmp_path / place / "test")
    fails(tmp_path, "no test split", "test/*.parquet", "train/0000.parquet")


def test_shards_in_the_folder_of_a_configuration(tmp_path: Path) -> None:
    both(tmp_path / "plain_text")
    assert len(load(tmp_path, channels=1).train) == 3
    both(tmp_path / "other")
    fails(tmp_path, "several data sets (other, plain_text)", f"as {tmp_path / 'other'}")


# What is said


def test_the_summary_counts_by_class(tmp_path: Path) -> None:
    classes_of_images(tmp_path / "pets", {"cat": 10, "dog": 5})
    assert (
        load(tmp_path / "pets", channels=1).summary == "pets: 12 train, 3 test images 4×4 in 2 classes (cat 8, dog 4)"
    )


def test_the_summary_of_many() -> None:
    images = Images(torch.zeros(2400, 1, 3, 5, dtype=torch.uint8), torch.arange(2400) % 2 + 9)
    data = DataSet("many", tuple(map(str, range(12))), images, images.first(1000))
    assert data.summary.startswith("many: 2,400 train, 1,000 test images 5×3 in 12 classes (0 0, ")
    assert data.summary.endswith("8 0, 9 1,200, …)")


def test_good_data_warn_of_nothing(tmp_path: Path) -> None:
    classes_of_images(tmp_path / "folders", {"a": 5, "b": 5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path / "folders", channels=1)
        load(both(tmp_path / "parquet"), channels=1)


def test_refusals_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load(tmp_path, channels=1, skip_broken=True)


def test_a_split_in_two_places_is_refused(tmp_path: Path) -> None:
    for which in ("train/0000", "test/0000", "train-extra"):
        write(tmp_path / f"{which}.parquet", [png(10), png(20)], [0, 1])
    fails(tmp_path, "contains train-extra.parquet and train/0000.parquet: expected the train split in one place")
