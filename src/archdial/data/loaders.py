"""The user's own splits: a DataLoader, a Dataset, or any iterable of batches; nothing is copied into memory."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError
from archdial.data.split import Batch, Split
from archdial.data.takes import leaves, size_of, taken

_SEED = 0
"""Of what is drawn while a split is read in order: random transforms then give the same each time."""


def split_of(source: object, name: str) -> Split:
    """Return `source` as a split.

    Args:
        source: a DataLoader, whose batches are taken as they are; a Dataset with a length, or one that is iterated, of
            which batches are made; or any iterable of batches that can be iterated again and again.
        name: what it is, for errors.

    Raises:
        UsageError: it is none of these, or is empty.
    """
    if isinstance(source, Split):
        return source
    if isinstance(source, DataLoader):
        return LoaderSplit(source)
    if isinstance(source, Iterator) or _is_spent_once(source):
        raise UsageError(
            f"the {name} data are {type(source).__name__}, which can be read only once: pass a list of batches, "
            "a Dataset or a DataLoader"
        )
    if isinstance(source, IterableDataset) or type(source).__name__ == "IterableDataset":
        return StreamSplit(_as_tensors(source))
    if isinstance(source, Dataset) or (hasattr(source, "features") and hasattr(source, "with_format")):
        return DatasetSplit(_as_tensors(source), name)
    if isinstance(source, Iterable) and not isinstance(source, str | bytes | dict):
        return LoaderSplit(source)
    raise UsageError(
        f"the {name} data are {type(source).__name__}: expected a Dataset, a DataLoader or an iterable of batches"
    )


def _is_spent_once(source: object) -> bool:
    """Tell whether `source` gives the same iterator each time it is asked for one."""
    if not isinstance(source, Iterable) or isinstance(source, DataLoader | Dataset | str | bytes | dict):
        return False
    return not hasattr(source, "with_format") and iter(source) is iter(source)


def _as_tensors(source: Any) -> Any:
    """Return a data set of Hugging Face such that it gives tensors, where the user chose no format."""
    # A stream of theirs keeps its format under another name.
    format = getattr(source, "format", getattr(source, "_formatting", False))
    plain = format is None or (isinstance(format, dict) and format.get("type") is None)
    return source.with_format("torch") if plain else source


def _told_length(loader: object) -> int | None:
    """Return how many batches `loader` says that it has; one over a stream is `Sized`, and cannot tell."""
    try:
        return len(loader) if isinstance(loader, Sized) else None
    except TypeError:
        return None


class LoaderSplit(Split):
    """Batches as an iterable gives them, in the order in which it gives them."""

    def __init__(self, loader: Iterable[Batch]) -> None:
        self.loader = loader
        self._count: int | None = None

    def __len__(self) -> int:
        """Return the number of batches; of what does not tell, counted once."""
        if self._count is None:
            length = _told_length(self.loader)
            length = sum(1 for _ in self.in_order(0)) if length is None else length
            if not length:
                raise UsageError("the data yield no batches: expected at least one")
            self._count = length
        return self._count

    @property
    def examples_told(self) -> int | None:
        """How many examples a DataLoader goes through; None of batches that say nothing of what is in them."""
        sampler, size = getattr(self.loader, "sampler", None), getattr(self.loader, "batch_size", None)
        if not isinstance(sampler, Sized) or not isinstance(size, int):
            return None
        return min(len(sampler), size * len(self))

    def count(self, size: int) -> int:
        """Return the number of batches."""
        return len(self)

    def shuffled(self, size: int, order: torch.Generator, start: int = 0) -> Iterator[Batch]:
        """Return the batches from number `start` on; what shuffles draws from a seed of `order`."""
        return itertools.islice(Drawing(self.loader, _seed_of(order)), start, None)

    def in_order(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Return batches of the first `limit` examples."""
        return first(Drawing(self.loader, _SEED), limit)

    @property
    def digest(self) -> str:
        """Of the first batch, and how many there are."""
        return _digest([len(self), next(self.in_order(0, None))])


class StreamSplit(LoaderSplit):
    """Batches of a size that is asked for, of examples that come one after another."""

    def __init__(self, examples: Any) -> None:
        super().__init__(examples)
        self.examples = examples

    def count(self, size: int) -> int:
        """Return the number of whole batches; of examples that do not tell how many they are, counted once."""
        return max(1, len(self) // size)

    def __len__(self) -> int:
        """Return the number of examples."""
        if self._count is None:
            self._count = sum(1 for _ in self.examples)
        return self._count

    def shuffled(self, size: int, order: torch.Generator, start: int = 0) -> Iterator[Batch]:
        """Return the batches from number `start` on, in the order of the stream."""
        loader = DataLoader(self.examples, min(size, len(self)), drop_last=True)
        return itertools.islice(Drawing(loader, _seed_of(order)), start, None)

    def in_order(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Return batches of the first `limit` examples."""
        return first(Drawing(DataLoader(self.examples, size or 1), _SEED), limit)


class DatasetSplit(Split):
    """Batches of a size that is asked for, shuffled again each epoch, of examples that are found by number."""

    def __init__(self, dataset: Any, name: str) -> None:
        self.dataset = dataset
        if not len(dataset):
            raise UsageError(f"the {name} data are empty: expected at least one example")

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.dataset)

    def count(self, size: int) -> int:
        """Return the number of whole batches, at least 1."""
        return max(1, len(self) // size)

    def shuffled(self, size: int, order: torch.Generator, start: int = 0) -> Iterator[Batch]:
        """Return the whole batches from number `start` on, in an order drawn from `order`."""
        size = min(size, len(self))
        numbers = torch.randperm(len(self), generator=order).tolist()
        loader: DataLoader[Any] = DataLoader(self.dataset, size, sampler=numbers, drop_last=True)
        return itertools.islice(Drawing(loader, _seed_of(order)), start, None)

    def in_order(self, size: int, limit: int | None = None) -> Iterator[Batch]:
        """Return batches of the first `limit` examples."""
        return first(Drawing(DataLoader(self.dataset, size or 1), _SEED), limit)

    @property
    def digest(self) -> str:
        """Of the first example, and how many there are."""
        return _digest([len(self), next(self.in_order(1, 1))])


class Drawing(Iterator[Batch]):
    """Batches whose random transforms and order draw from a seed of their own, whatever draws between them.

    So a run that is resumed, which passes over the first batches of an epoch, meets the same later ones.
    """

    def __init__(self, loader: Iterable[Batch], seed: int) -> None:
        outside = _states()
        torch.manual_seed(seed)
        random.seed(seed)
        numpy.random.seed(seed % 2**32)
        for generator in _generators(loader):
            generator.manual_seed(seed)
        if callable(number := getattr(loader, "set_epoch", None)):
            # Its order comes from how often it was read, as that of accelerate's loaders, which a Trainer has.
            number(seed)
        self._batches = iter(loader)
        self._inside = _states()
        _restore(outside)

    def __next__(self) -> Batch:
        """Return the next batch."""
        outside = _states()
        _restore(self._inside)
        try:
            return next(self._batches)
        finally:
            self._inside = _states()
            _restore(outside)


def _generators(loader: object) -> Iterator[torch.Generator]:
    """Yield those that a loader's order comes from beside torch's own: the user's, or a stateful sampler's."""
    batched = getattr(loader, "batch_sampler", None)
    for part in (loader, getattr(loader, "sampler", None), batched, getattr(batched, "sampler", None)):
        if isinstance(found := getattr(part, "generator", None), torch.Generator):
            yield found


_States = tuple[torch.Tensor, Any, Any]


def _states() -> _States:
    return torch.get_rng_state(), random.getstate(), numpy.random.get_state()


def _restore(states: _States) -> None:
    torch.set_rng_state(states[0])
    random.setstate(states[1])
    numpy.random.set_state(states[2])


def _seed_of(order: torch.Generator) -> int:
    return int(torch.randint(2**31, (), generator=order))


def first(batches: Iterable[Batch], limit: int | None) -> Iterator[Batch]:
    """Yield batches until they hold `limit` examples; the last is cut."""
    left = limit
    for batch in batches:
        size = size_of(batch)
        if left is None or size <= left:
            yield batch
        elif left:
            yield taken(batch, left)
        left = None if left is None else max(0, left - size)
        if left == 0:
            return


def _digest(value: Any) -> str:
    """Return a digest of tensors and numbers; what is neither, as pictures, says nothing."""
    told = (torch.Tensor, int, float, str)
    return digest_of([leaf if isinstance(leaf, told) else None for leaf in leaves(value)])
