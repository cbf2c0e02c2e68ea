"""Data: every source and layout, every bad input, splits, batches, augmentation and normalisation."""

import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from archdial.common.errors import UsageError
from archdial.data import DataSet, Images, Normalize, augment, batches, load, split

SHARED = Path(__file__).parents[2] / "shared" / "data"


def picture(value: int, size: tuple[int, int] = (4, 4), mode: str = "RGB") -> Image.Image:
    return Image.new(mode, size, value if mode in ("L", "I;16") else (value,) * 3)


def png(value: int, size: tuple[int, int] = (4, 4), mode: str = "RGB", kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture(value, size, mode).save(stream, kind)
    return stream.getvalue()


def write(
    path: Path,
    images: list[Any],
    labels: list[Any],
    image: str = "image",
    label: str = "label",
    names: list[str] | None = None,
) -> None:
    rows = [value if isinstance(value, dict) or value is None else {"bytes": value, "path": None} for value in images]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({label: pa.array(labels), image: pa.array(rows, kind)})
    if names:
        features = {image: {"_type": "Image"}, label: {"_type": "ClassLabel", "names": names}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def both(folder: Path, **changes: Any) -> Path:
    """Write a good parquet folder; `train_images` and so on replace a column."""
    for which in ("train", "test"):
        images = changes.get(f"{which}_images", [png(10), png(20), png(30)])
        labels = changes.get(f"{which}_labels", [0, 1, 2])
        options = {key: changes[key] for key in ("image", "label", "names") if key in changes}
        write(folder / f"{which}.parquet", images, labels, **options)
    return folder


def classes_of_images(folder: Path, counts: dict[str, int]) -> None:
    for place, count in counts.items():
        (folder / place).mkdir(parents=True)
        for index in range(count):
            picture(index).save(folder / place / f"{index:03}.png")


def made(count: int = 20, channels: int = 1) -> DataSet:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (count, channels, 4, 4), generator=generator, dtype=torch.uint8)
    # Labels are the positions, so that a test sees which image went where.
    images = Images(pixels, torch.arange(count))
    return DataSet("made", tuple(map(str, range(count))), images, images.take(torch.arange(2)))


def fails(source: str | Path, *words: object, classes: int | None = None) -> None:
    with pytest.raises(UsageError) as caught:
        load(source, channels=1, classes=classes)
    for word in words:
        assert str(word) in str(caught.value)


# Sources


@pytest.mark.parametrize("channels", [1, 3])
def test_digits(channels: Any) -> None:
    data = load("digits", channels=channels)
    assert (len(data.train), len(data.test)) == (1297, 500)
    assert data.input_shape == (channels, 8, 8)
    assert data.classes == tuple("0123456789")
    assert data.train.pixels.max() == 255 and data.train.pixels.min() == 0
    again = load("digits", channels=channels)
    assert torch.equal(data.test.pixels, again.test.pixels)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    fails("digits", 'pip install "archdial[digits]"')


def test_digits_with_another_number_of_classes() -> None:
    fails("digits", "7 classes", "has 10", classes=7)


@pytest.mark.parametrize(("image", "label"), [("image", "label"), ("img", "fine_label")])
def test_parquet_by_column_names(tmp_path: Path, image: str, label: str) -> None:
    data = load(both(tmp_path, image=image, label=label), channels=1)
    assert data.input_shape == (1, 4, 4)
    assert data.classes == ("0", "1", "2")
    assert data.train.labels.tolist() == [0, 1, 2] and data.train.labels.dtype == torch.int64
    assert data.train.pixels[:, 0, 0, 0].tolist() == [10, 20, 30]


def test_parquet_by_feature_types(tmp_path: Path) -> None:
    data = load(both(tmp_path, image="scan", label="kind", names=["a", "b", "c"]), channels=3)
    assert data.classes == ("a", "b", "c")
    assert data.input_shape == (3, 4, 4)


def test_parquet_with_text_labels(tmp_path: Path) -> None:
    data = load(both(tmp_path, train_labels=["b", "a", "c"], test_labels=["c", "a", "a"]), channels=1)
    assert data.classes == ("a", "b", "c")
    assert data.train.labels.tolist() == [1, 0, 2] and data.test.labels.tolist() == [2, 0, 0]


def test_parquet_shards_in_the_data_folder_in_mixed_formats(tmp_path: Path) -> None:
    places = [tmp_path / "data" / f"train-0000{index}-of-00002.parquet" for index in range(2)]
    write(places[0], [png(1), png(2, kind="BMP")], [0, 1])
    write(places[1], [png(3, mode="L")], [0])
    write(tmp_path / "data" / "test-00000-of-00001.parquet", [png(4)], [1])
    data = load(str(tmp_path), channels=3)
    assert data.train.pixels[:, 2, 1, 1].tolist() == [1, 2, 3]
    assert (len(data.train), len(data.test)) == (3, 1)


def test_parquet_with_paths(tmp_path: Path) -> None:
    picture(7).save(tmp_path / "seven.png")
    data = load(both(tmp_path, test_images=[{"bytes": None, "path": "seven.png"}], test_labels=[1]), channels=1)
    assert data.test.pixels.unique().tolist() == [7]


def test_images_keep_their_axes(tmp_path: Path) -> None:
    values = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    data = load(both(tmp_path, train_images=[stream.getvalue()] * 3, test_images=[stream.getvalue()] * 3), channels=3)
    assert data.input_shape == (3, 2, 3)
    assert torch.equal(data.train.pixels[0], torch.from_numpy(values).permute(2, 0, 1))


def test_classes_that_no_image_has(tmp_path: Path) -> None:
    assert len(load(both(tmp_path), channels=1, classes=5).classes) == 5


def test_class_folders_with_splits(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"train/b": 2, "train/a": 3, "test/a": 1, "test/b": 1})
    data = load(tmp_path, channels=1)
    assert data.classes == ("a", "b") and data.name == tmp_path.name
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert data.train.pixels[:, 0, 0, 0].tolist() == [0, 1, 2, 0, 1]
    assert data.test.labels.tolist() == [0, 1]


def test_class_folders_without_splits(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 10, "b": 5})
    data, again = load(tmp_path, channels=1), load(tmp_path, channels=1)
    assert (len(data.train), len(data.test)) == (12, 3)
    assert torch.equal(data.test.pixels, again.test.pixels)
    seen = [
        (int(label), int(pixels[0, 0, 0]))
        for part in (data.train, data.test)
        for pixels, label in zip(part.pixels, part.labels, strict=True)
    ]
    assert sorted(seen) == [(0, value) for value in range(10)] + [(1, value) for value in range(5)]


def test_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    features = datasets.Features({"picture": datasets.Image(), "kind": datasets.ClassLabel(names=["x", "y"])})
    rows = {"picture": [picture(5), picture(6)], "kind": [1, 0]}
    part = datasets.Dataset.from_dict(rows, features=features)
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"train": part, "test": part})
    data = load("someone/pictures", channels=1)
    assert data.classes == ("x", "y") and data.train.labels.tolist() == [1, 0]
    assert data.train.pixels[:, 0, 0, 0].tolist() == [5, 6]
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"train": part})
    fails("someone/pictures", "no test split", "it has train")


@pytest.mark.parametrize(("name", "size", "channels"), [("fashion_mnist", 28, 1), ("mnist", 28, 3), ("cifar10", 32, 3)])
def test_shared_data_are_understood(tmp_path: Path, name: str, size: int, channels: Any) -> None:
    if not (SHARED / name).is_dir():
        pytest.skip("the shared data are not here")
    for which in ("train", "test"):
        pq.write_table(pq.read_table(SHARED / name / f"{which}.parquet").slice(0, 200), tmp_path / f"{which}.parquet")
    data = load(tmp_path, channels=channels, classes=10)
    assert (len(data.train), len(data.test), data.input_shape) == (200, 200, (channels, size, size))
    assert data.classes[9] in ("Ankle boot", "9", "truck")
    # Real pictures: both ends of the range are used, and all classes occur.
    assert data.train.pixels.min() == 0 and data.train.pixels.max() == 255
    assert len(data.train.labels.unique()) == 10


# Bad sources


def test_missing_folder(tmp_path: Path) -> None:
    fails(tmp_path / "none", tmp_path / "none", "pass an existing folder")
    fails(str(tmp_path / "none"), tmp_path / "none", "pass an existing folder")
    fails("./none", "./none", "pass an existing folder")
    fails("", "no folder ''")


def test_unreachable_hub_names_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(name: str) -> None:
        raise ConnectionError("no route\nto the hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    fails("nobody/none", "nobody/none", Path("nobody/none").absolute(), "no route", "train*.parquet")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    both(tmp_path)
    fails(tmp_path / "train.parquet", "is a file", tmp_path)


def test_empty_folder(tmp_path: Path) -> None:
    fails(tmp_path, tmp_path, "contains no data", "train*.parquet")


def test_channels_and_classes_out_of_range(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="2 channels"):
        load(both(tmp_path), channels=2)  # type: ignore[arg-type]
    fails(tmp_path, "0 classes", classes=0)


@pytest.mark.parametrize("changes", [{"image": "x"}, {"label": "z"}])
def test_parquet_without_a_column(tmp_path: Path, changes: dict[str, str]) -> None:
    what = next(iter(changes))
    fails(both(tmp_path, **changes), "train.parquet", f"no {what} column", changes[what], "rename")


def test_damaged_parquet(tmp_path: Path) -> None:
    (both(tmp_path) / "test.parquet").write_bytes(b"PAR1 cut off")
    fails(tmp_path, "test.parquet", "cannot be read as parquet")


@pytest.mark.parametrize("missing", ["train", "test"])
def test_missing_parquet_split(tmp_path: Path, missing: str) -> None:
    (both(tmp_path) / f"{missing}.parquet").unlink()
    fails(tmp_path, f"no {missing} split", f"{missing}*.parquet")


@pytest.mark.parametrize(("present", "missing"), [("train", "test"), ("test", "train")])
def test_missing_folder_split(tmp_path: Path, present: str, missing: str) -> None:
    classes_of_images(tmp_path, {f"{present}/a": 1})
    fails(tmp_path, f"no {missing} split", tmp_path / missing)


def test_parquet_split_without_rows(tmp_path: Path) -> None:
    folder = both(tmp_path)
    pq.write_table(pq.read_table(folder / "test.parquet").slice(0, 0), folder / "test.parquet")
    fails(folder, "the test split", "is empty, expected at least one row")


@pytest.mark.parametrize("which", ["train", "test"])
def test_differing_sizes_in_parquet(tmp_path: Path, which: str) -> None:
    images = [png(1), png(2), png(3, size=(5, 6))]
    folder = both(tmp_path, **{f"{which}_images": images})
    fails(
        folder,
        f"row 2 of {folder / which}.parquet is 5x6",
        "expected 4x4",
        f"row 0 of {folder}/train.parquet",
    )


def test_differing_sizes_in_folders(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 2, "b": 2})
    picture(1, size=(3, 4)).save(tmp_path / "b" / "001.png")
    fails(tmp_path, tmp_path / "b" / "001.png", "3x4", "4x4", tmp_path / "a" / "000.png")


@pytest.mark.parametrize("changes", [{}, {"names": ["a", "b", "c"]}])
@pytest.mark.parametrize("label", [-1, 3, None])
def test_label_outside_the_classes(tmp_path: Path, label: int | None, changes: dict[str, Any]) -> None:
    folder = both(tmp_path, test_labels=[0, label, 2], **changes)
    fails(folder, f"row 1 of {folder}/test.parquet has the label {label}", "0 to 2")


def test_label_outside_the_number_given(tmp_path: Path) -> None:
    fails(both(tmp_path), "row 2 of", "train.parquet has the label 2", "0 to 1", classes=2)


def test_text_label_without_train_images(tmp_path: Path) -> None:
    folder = both(tmp_path, train_labels=["a", "b", "a"], test_labels=["a", "b", "z"])
    fails(folder, "row 2 of", "test.parquet has the label 'z'", "one of a, b")


def test_wild_label_makes_no_classes(tmp_path: Path) -> None:
    fails(both(tmp_path, train_labels=[0, 1, 10**12]), "the label 1000000000000", "3 labelled training images")


def test_names_and_number_of_classes_differ(tmp_path: Path) -> None:
    fails(both(tmp_path, names=["a", "b", "c"]), "4 classes", "has 3 (a, b, c)", classes=4)


def test_files_with_different_names(tmp_path: Path) -> None:
    write(both(tmp_path, names=["a", "b", "c"]) / "train2.parquet", [png(1)], [0], names=["b", "a", "c"])
    fails(tmp_path, "two different lists of class names")


@pytest.mark.parametrize("bad", [b"no image", png(3)[:48], b"", None], ids=["text", "cut", "empty", "null"])
def test_undecodable_row(tmp_path: Path, bad: bytes | None) -> None:
    folder = both(tmp_path, test_images=[png(1), bad, png(2)])
    fails(folder, f"row 1 of {folder}/test.parquet cannot be decoded", "remove it")


def test_undecodable_file(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "b" / "001.png").write_bytes(b"no image")
    fails(tmp_path, f"{tmp_path}/b/001.png cannot be decoded")


def test_bad_class_folders(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"a": 1})
    fails(tmp_path, "contains one image")
    classes_of_images(tmp_path, {"b": 1})
    fails(tmp_path, "one image per class")
    (tmp_path / "c").mkdir()
    fails(tmp_path, tmp_path / "c", "contains no images")


def test_test_class_without_train_images(tmp_path: Path) -> None:
    classes_of_images(tmp_path, {"train/a": 1, "test/z": 1})
    fails(tmp_path, tmp_path / "test" / "z", "expected one of a")


# Values and splits


def test_images_refuse_other_types_and_shapes() -> None:
    labels = torch.zeros(2, dtype=torch.int64)
    with pytest.raises(UsageError, match=r"torch\.float32"):
        Images(torch.zeros(2, 1, 4, 4), labels)
    with pytest.raises(UsageError, match=r"shape \(2,\), expected torch\.int64 of shape \(3,\)"):
        Images(torch.zeros(3, 1, 4, 4, dtype=torch.uint8), labels)


@pytest.mark.parametrize(("weights", "limit", "sizes"), [(15, None, (15, 5)), (0.25, None, (5, 15)), (0.5, 10, (5, 5))])
def test_split_is_disjoint_and_repeatable(weights: float, limit: int | None, sizes: tuple[int, int]) -> None:
    data = made()
    first, again, other = (split(data, weights=weights, seed=seed, limit=limit) for seed in (1, 1, 2))
    assert (len(first.weights), len(first.validation)) == sizes
    used = first.weights.labels.tolist() + first.validation.labels.tolist()
    assert len(set(used)) == sum(sizes)
    assert torch.equal(first.weights.labels, again.weights.labels)
    assert torch.equal(first.validation.pixels, again.validation.pixels)
    assert not torch.equal(first.weights.labels, other.weights.labels)
    assert torch.equal(first.weights.pixels, data.train.pixels[first.weights.labels])


@pytest.mark.parametrize("weights", [0, -1, 20, 21, 0.0, 1.0, 0.999, 0.001, 1.5, -0.5, float("nan"), True])
def test_split_that_leaves_nothing(weights: float) -> None:
    with pytest.raises(UsageError, match=f"weights {weights} of 20 train images, expected a number from 1 to 19"):
        split(made(), weights=weights, seed=0)


def test_split_with_a_limit_too_low() -> None:
    with pytest.raises(UsageError, match="limit 1,"):
        split(made(), weights=0.5, seed=0, limit=1)


@pytest.mark.parametrize("channels", [1, 3])
def test_normalised_weights_have_mean_0_and_std_1(channels: int) -> None:
    part = split(made(200, channels), weights=0.5, seed=0)
    values = Normalize(part.mean, part.std)(part.weights.pixels)
    assert values.dtype == torch.float32 and values.shape == part.weights.pixels.shape
    assert values.is_contiguous(memory_format=torch.channels_last)
    dims = (0, 2, 3)
    torch.testing.assert_close(values.mean(dims), torch.zeros(channels), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(dims, correction=0), torch.ones(channels), atol=1e-5, rtol=0)


def test_normalise_by_hand_and_twice_alike() -> None:
    pixels = torch.tensor([[[[0, 255]], [[51, 102]]]], dtype=torch.uint8)
    normalize = Normalize((0.5, 0.2), (0.5, 0.1))
    expected = torch.tensor([[[[-1.0, 1.0]], [[0.0, 2.0]]]])
    for _ in range(2):
        torch.testing.assert_close(normalize(pixels), expected)


def test_a_normalisation_that_was_given() -> None:
    data, given = made(20, 3), Normalize.named("imagenet", 3)
    own, part, again = (split(data, weights=0.5, seed=0, normalize=one) for one in (None, given, given))
    assert (part.mean, part.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert torch.equal(part.weights.pixels, own.weights.pixels)
    # A search that goes on with another normalisation is told.
    assert part.digest == again.digest != own.digest
    with pytest.raises(UsageError, match="images have 3 channels: give 3 of each"):
        split(data, weights=0.5, seed=0, normalize=Normalize((0.5,), (0.5,)))


def test_named_normalisations() -> None:
    assert Normalize.named("half", 1).mean == (0.5,) and Normalize.named("half", 3).std == (0.5,) * 3
    pixels = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    torch.testing.assert_close(Normalize.named("none", 1)(pixels), torch.tensor([[[[0, 0.2, 1]]]]))
    assert len(Normalize.named("clip", 3).mean) == 3
    with pytest.raises(UsageError, match="unknown normalization 'imagnet': did you mean 'imagenet'"):
        Normalize.named("imagnet", 3)
    with pytest.raises(UsageError, match="imagenet has 3 channels, but the images have 1"):
        Normalize.named("imagenet", 1)


def test_a_channel_of_one_value_normalises_to_zero() -> None:
    images = Images(torch.full((4, 1, 2, 2), 77, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))
    part = split(DataSet("flat", ("a",), images, images), weights=2, seed=0)
    torch.testing.assert_close(
        Normalize(part.mean, part.std)(images.pixels), torch.zeros(4, 1, 2, 2), atol=1e-6, rtol=0
    )


def test_normalise_refuses() -> None:
    with pytest.raises(UsageError, match="one value per channel"):
        Normalize((0.5, 0.5), (0.1,))
    with pytest.raises(UsageError, match="std > 0"):
        Normalize((0.5,), (0.0,))
    with pytest.raises(UsageError, match=r"\(2, 3, 4, 4\), expected torch\.uint8 of shape \(n, 1, h, w\)"):
        Normalize((0.5,), (0.1,))(torch.zeros(2, 3, 4, 4, dtype=torch.uint8))
    with pytest.raises(UsageError, match=r"torch\.float32"):
        Normalize((0.5,), (0.1,))(torch.zeros(2, 1, 4, 4))


# Batches and augmentation


def test_batches_in_order() -> None:
    images = made(10).train
    assert [labels.tolist() for _, labels in batches(images, 4, generator=None)] == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
    ]
    assert [len(labels) for _, labels in batches(images, 4, generator=None, drop_last=True)] == [4, 4]


@pytest.mark.parametrize("drop_last", [False, True])
def test_batches_resume_exactly(drop_last: bool) -> None:
    images = made(18).train

    def epoch(start: int) -> tuple[list[list[int]], torch.Tensor]:
        generator = torch.Generator().manual_seed(5)
        drawn = batches(images, 4, generator=generator, start=start, drop_last=drop_last)
        # The order is drawn by the call, so the generator may go on before the first batch is asked for.
        following = torch.rand(3, generator=generator)
        parts = list(drawn)
        for pixels, labels in parts:
            assert torch.equal(pixels, images.pixels[labels])
        return [labels.tolist() for _, labels in parts], following

    whole, following = epoch(0)
    count = 4 if drop_last else 5
    assert len(whole) == count
    assert whole != [labels.tolist() for _, labels in batches(images, 4, generator=None, drop_last=drop_last)]
    assert len({label for labels in whole for label in labels}) == (16 if drop_last else 18)
    for start in range(count + 1):
        later, after = epoch(start)
        assert later == whole[start:]
        assert torch.equal(after, following)


@pytest.mark.parametrize(("size", "start", "words"), [(0, 0, "batch size 0"), (4, -1, "batch -1"), (4, 6, "0 to 5")])
def test_batches_refuse_at_the_call(size: int, start: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        batches(made().train, size, generator=None, start=start)


@pytest.mark.parametrize("channels", [1, 3])
def test_augment_keeps_shape_and_type_and_repeats(channels: int) -> None:
    pixels = made(50, channels).train.pixels
    before = pixels.clone()
    first, again, other = (augment(pixels, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert first.shape == pixels.shape and first.dtype == torch.uint8
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(pixels, before)


def test_augment_shifts_one_dot_by_every_offset() -> None:
    pixels = torch.zeros(900, 2, 5, 7, dtype=torch.uint8)
    pixels[:, 0, 2, 3] = 9
    pixels[:, 1, 2, 3] = 8
    moved = augment(pixels, torch.Generator().manual_seed(0), shift=2, flip=False)
    assert torch.equal((moved[:, 0] == 9), (moved[:, 1] == 8))
    dots = (moved[:, 0] == 9).nonzero()
    assert dots[:, 0].tolist() == list(range(900))
    places, counts = dots[:, 1:].unique(dim=0, return_counts=True)
    assert places.tolist() == [[row, column] for row in range(5) for column in range(1, 6)]
    # 36 expected at each of the 25 places.
    assert counts.min() > 15 and counts.max() < 65


def test_augment_shift_by_hand() -> None:
    pixels = torch.arange(1, 10, dtype=torch.uint8).view(1, 1, 3, 3).repeat(40, 1, 1, 1)
    generator = torch.Generator().manual_seed(4)
    offsets = torch.randint(-1, 2, (2, 40), generator=torch.Generator().manual_seed(4))
    moved = augment(pixels, generator, shift=1, flip=False)
    for image, down, right in zip(moved, *offsets.tolist(), strict=True):
        expected = torch.zeros(3, 3, dtype=torch.uint8)
        for row in range(3):
            for column in range(3):
                if 0 <= row - down < 3 and 0 <= column - right < 3:
                    expected[row, column] = pixels[0, 0, row - down, column - right]
        assert torch.equal(image[0], expected)


def test_augment_flips_half() -> None:
    pixels = made().train.pixels[:1].repeat(400, 1, 1, 1)
    moved = augment(pixels, torch.Generator().manual_seed(0), shift=0)
    flipped = (moved == pixels.flip(3)).flatten(1).all(1)
    same = (moved == pixels).flatten(1).all(1)
    assert torch.equal(flipped, ~same)
    assert 150 < flipped.sum() < 250


def test_augment_of_nothing_and_by_nothing() -> None:
    pixels = made().train.pixels
    assert torch.equal(augment(pixels, torch.Generator(), shift=0, flip=False), pixels)
    with pytest.raises(UsageError, match="shift -1"):
        augment(pixels, torch.Generator(), shift=-1)
