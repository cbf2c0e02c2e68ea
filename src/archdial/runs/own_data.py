"""Data from the user's own code, named as module:callable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import torch

from archdial.common.errors import UsageError, cut, unknown
from archdial.common.own_code import called_code, refused_code
from archdial.data import BatchData, seen_of
from archdial.data.loaders import split_of
from archdial.data.split import Split
from archdial.data.takes import size_of, taken
from archdial.networks.example import shapes_of
from archdial.tasks.task import Task

KEYS = ("train", "validation", "test", "task", "example", "classes")
"""What the callable may return under: the first two it has to."""


@dataclass(frozen=True, eq=False)
class OwnData:
    """What the callable returned.

    Attributes:
        task: what it says they are for, if it does.
        example: inputs of a batch, such as the network takes.
    """

    seen: BatchData
    test: Split | None
    task: Task | None
    example: Any

    @property
    def name(self) -> str:
        """module:callable."""
        return self.seen.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Their names, if it tells them."""
        return self.seen.classes

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the first input, without the batch."""
        return shapes_of(self.example)[0]

    @property
    def summary(self) -> str:
        """One line: how much there is in each split."""
        parts = {"train": self.seen.weights, "validation": self.seen.validation, "test": self.test}
        counts = ", ".join(f"{len(part):,} {name}" for name, part in parts.items() if part is not None)
        return f"{self.name}: {counts}, examples or batches"


def own_data(name: str, task: Task | None, *, trust: bool) -> OwnData:
    """Return the data that `module:callable` makes.

    Args:
        task: what the recipe says they are for.
        trust: the name comes from the person who started this, or that person said to call what a file names.

    Raises:
        UsageError: it may not be called, fails, or returns something else.
    """
    if not trust:
        raise refused_code(name, "data", "--data")
    found = called_code(name, "data")
    if not isinstance(found, Mapping) or not {"train", "validation"} <= set(found):
        told = cut(", ".join(map(str, found)), 100) if isinstance(found, Mapping) else type(found).__name__
        raise UsageError(
            f"data {name!r} returned {told or 'nothing'}: expected a dict with train and validation, each a Dataset, a "
            "DataLoader or an iterable of batches, and optionally test"
        )
    for key in found:
        if key not in KEYS:
            raise unknown(f"key in what {name} returned", str(key), KEYS)
    seen = seen_of({"train": found["train"], "validation": found["validation"]})
    assert isinstance(seen, BatchData)
    test = None if found.get("test") is None else split_of(found["test"], "test")
    chosen, classes = _task(name, found.get("task"), task), _classes(name, found.get("classes", ()))
    example = found.get("example")
    return OwnData(
        seen=BatchData(name, seen.weights, seen.validation, classes),
        test=test,
        task=chosen,
        example=_example(seen, chosen) if example is None else example,
    )


def _task(name: str, found: object, told: Task | None) -> Task | None:
    if found is not None and not isinstance(found, Task):
        raise UsageError(
            f"the task in what {name} returned is {type(found).__name__}: expected archdial.Classification(), … or "
            "archdial.Task(loss=…, score=…)"
        )
    if found is not None and told is not None and found.measure != told.measure:
        raise UsageError(
            f"{name} returned a task scored by {found.measure.name}, but the recipe has one scored by "
            f"{told.measure.name}: set the task in only one of them"
        )
    return found or told


def _classes(name: str, found: object) -> tuple[str, ...]:
    if isinstance(found, str) or not isinstance(found, tuple | list):
        raise UsageError(f"the classes in what {name} returned are {type(found).__name__}: expected a list of names")
    return tuple(map(str, found))


def _example(seen: BatchData, task: Task | None) -> Any:
    """Return the inputs of two examples: of one, dimensions that are 1 by chance look as if they always were."""
    if task is None:
        return None
    batch = next(seen.weights.in_order(2, None))
    return task.inputs(taken(batch, min(2, size_of(batch))), torch.device("cpu"))


def no_test(name: str) -> NoReturn:
    """Refuse to score members on data that are not there."""
    raise UsageError(f'{name} returned no test split: return one under "test", or use --split validation')
