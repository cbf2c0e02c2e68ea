"""Splits of the user's own: each source gives the same epoch again, from any batch on, and nothing is copied."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy
import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from archdial.common.errors import UsageError
from archdial.data import seen_of
from archdial.data.loaders import split_of
from archdial.data.split import Split

X, Y = torch.arange(20.0)[:, None], torch.arange(20)


class Noisy(Dataset[Any]):
    """Transforms draw from all three sources of random numbers."""

    def __len__(self) -> int:
        return 20

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        noise = torch.rand(1) + random.random() + float(numpy.random.rand())
        return {"x": X[index] + noise, "labels": Y[index]}


class Streamed(IterableDataset[Any]):
    """Examples one after another."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(zip(X, Y, strict=True))


def prepared(loader: DataLoader[Any]) -> Any:
    """Return `loader` as a Trainer of transformers has it."""
    from accelerate.data_loader import prepare_data_loader

    return prepare_data_loader(loader, use_seedable_sampler=True)


SOURCES: dict[str, Callable[[], Any]] = {
    "data set": lambda: TensorDataset(X, Y),
    "random transforms": Noisy,
    "loader": lambda: DataLoader(Noisy(), 4, shuffle=True),
    "loader with a generator": lambda: DataLoader(
        TensorDataset(X, Y), 4, shuffle=True, generator=torch.Generator().manual_seed(5)
    ),
    "loader of a Trainer": lambda: prepared(DataLoader(Noisy(), 4, shuffle=True)),
    "stream": Streamed,
    "list of batches": lambda: [(X[:8], Y[:8]), (X[8:], Y[8:])],
}


def flat(batches: Any) -> list[Tensor]:
    return [leaf for batch in batches for leaf in torch.utils._pytree.tree_leaves(batch) if isinstance(leaf, Tensor)]


def epoch(split: Split, start: int = 0, seed: int = 0, between: bool = False) -> list[Any]:
    found = []
    for batch in split.shuffled(4, torch.Generator().manual_seed(seed), start):
        found.append(batch)
        if between:
            # A training draws too, and a resumed one has drawn less.
            torch.rand(3), random.random(), numpy.random.rand()
    return found


@pytest.mark.parametrize("name", SOURCES)
def test_an_epoch_comes_again_from_any_batch_on(name: str) -> None:
    split = split_of(SOURCES[name](), "train")
    first = epoch(split, between=True)
    assert len(first) == split.count(4) == (2 if name == "list of batches" else 5)
    torch.manual_seed(9)
    for start in (0, 1, len(first)):
        again = epoch(split, start)
        assert len(again) == len(first) - start
        assert all(one.equal(other) for one, other in zip(flat(again), flat(first[start:]), strict=True))


@pytest.mark.parametrize("name", ["data set", "random transforms", "loader", "loader of a Trainer"])
def test_epochs_differ_by_their_seed(name: str) -> None:
    split = split_of(SOURCES[name](), "train")
    one, other = (flat(epoch(split, seed=seed)) for seed in (0, 1))
    assert not all(a.equal(b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("name", SOURCES)
def test_examples_in_order_are_always_the_same_and_no_more_than_asked_for(name: str) -> None:
    split = split_of(SOURCES[name](), "validation")
    one, other = (list(split.in_order(4, 6)) for _ in range(2))
    assert sum(len(leaf) for leaf in flat(one)) == 12, "inputs and labels of six"
    assert all(a.equal(b) for a, b in zip(flat(one), flat(other), strict=True))
    assert sum(len(leaf) for leaf in flat(split.in_order(4))) == 40
    assert split.digest == split_of(SOURCES[name](), "validation").digest


def test_what_draws_outside_is_left_as_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    list(split_of(Noisy(), "train").shuffled(4, torch.Generator().manual_seed(0)))
    assert torch.rand(4).equal(expected)


def test_nothing_is_read_before_it_is_asked_for() -> None:
    class Counted(Dataset[Any]):
        read = 0

        def __len__(self) -> int:
            return 10**9

        def __getitem__(self, index: int) -> Tensor:
            Counted.read += 1
            return torch.zeros(1)

    list(split_of(Counted(), "validation").in_order(10, 20))
    assert Counted.read <= 30


def test_a_set_of_hugging_face_gives_tensors() -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"input_ids": [[1, 2, 3]] * 6, "label": list(range(6))})
    batch = next(split_of(rows, "train").in_order(4))
    assert batch["input_ids"].shape == (4, 3) and batch["label"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (iter([X]), "the train data are list_iterator, which can be read only once: pass a list of batches"),
        (3, "the train data are int: expected a Dataset, a DataLoader or an iterable of batches"),
        ("folder", "the train data are str"),
        (TensorDataset(X[:0]), "the train data are empty"),
    ],
)
def test_what_gives_no_batches_is_told(source: object, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        split_of(source, "train")


@pytest.mark.parametrize(
    ("source", "count"),
    [
        (TensorDataset(X, Y), 20),
        (DataLoader(TensorDataset(X, Y), 3), 20),
        (DataLoader(TensorDataset(X, Y), 3, drop_last=True), 18),
        (DataLoader(TensorDataset(X, Y), 3, shuffle=True), 20),
        # What is in these batches only who goes through them knows.
        (DataLoader(TensorDataset(X, Y), batch_sampler=[[0, 1], [2]]), None),
        (DataLoader(Streamed(), 3), None),
        (Streamed(), None),
        ([(X, Y)], None),
    ],
)
def test_how_many_examples_are_told(source: object, count: int | None) -> None:
    assert split_of(source, "train").examples_told == count


@pytest.mark.parametrize("data", [[X], {"train": [X]}, {"train": [X], "validation": [X], "test": [X]}])
def test_a_search_sees_two_splits(data: object) -> None:
    with pytest.raises(UsageError, match=r"expected .*train.* and .*validation|expected \{\"train\""):
        seen_of(data)


@pytest.mark.slow
def test_a_stream_of_hugging_face_without_a_format_gives_tensors() -> None:
    datasets = pytest.importorskip("datasets")
    rows = datasets.Dataset.from_dict({"x": [[0.5, 1.0], [2.0, 3.0]], "label": [0, 1]})
    for source in (rows, rows.to_iterable_dataset()):
        batch = next(split_of(source, "train").in_order(2))
        assert batch["x"].tolist() == [[0.5, 1.0], [2.0, 3.0]] and batch["label"].tolist() == [0, 1]
        assert batch["x"].dtype == torch.float32
