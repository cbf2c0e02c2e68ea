"""The data of a run: images from a folder or by name, or from the user's code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from archdial.common.errors import UsageError
from archdial.common.own_code import looks_like_code
from archdial.data import DataSet, Normalize, SearchData, Seen
from archdial.data.split import Split
from archdial.families.family import Family
from archdial.families.stored_task import check_scored
from archdial.networks.pretrained import taught
from archdial.runs.folder import Run, read_run
from archdial.runs.images import check_same, check_searched, load_data, parted, read_images
from archdial.runs.own_data import OwnData, no_test, own_data
from archdial.runs.recipe import Recipe
from archdial.tasks.classification import Classification
from archdial.tasks.images import ImageClassification
from archdial.tasks.task import Task

Whole = DataSet | OwnData
"""All that a source holds."""


@dataclass(frozen=True, eq=False)
class RunData:
    """All data of a run, and what it is done with.

    Attributes:
        whole: all of it.
        seen: what its search sees.
        task: what the network is for.
    """

    whole: Whole
    seen: Seen
    task: Task

    @property
    def tested(self) -> Split:
        """The test split.

        Raises:
            UsageError: the user's code gives none.
        """
        return self.whole.test or no_test(self.whole.name)

    @property
    def judging(self) -> dict[str, Split]:
        """The splits that members may be scored on, by name."""
        test = self.whole.test
        return {"validation": self.seen.validation, **({} if test is None else {"test": test})}


def read_whole(recipe: Recipe, source: str | None = None, *, trust: bool = False) -> Whole:
    """Return all that `source`, or the recipe, names.

    Args:
        trust: call the code that is named; see `own_data`.

    Raises:
        UsageError: it cannot be loaded, or nobody says what it is for.
    """
    name = recipe.data if source is None else source
    if not looks_like_code(name):
        return read_images(recipe, source)
    found = own_data(name, recipe.make_task(), trust=trust)
    if found.task is None:
        raise UsageError(
            f'data {name!r} without a task: set one in the recipe (task: classification), or return one under "task"'
        )
    return found


def parted_data(recipe: Recipe, seed: int, *, trust: bool = False) -> RunData:
    """Return the data of `recipe`, images parted by `seed`; `trust` is as for `read_whole`.

    Raises:
        UsageError: they cannot be loaded, or there are too few.
    """
    whole = read_whole(recipe, trust=trust)
    if isinstance(whole, OwnData):
        return _own(whole)
    seen = parted(recipe, whole, seed)
    return RunData(whole, seen, task_of_images(recipe, seen))


def _own(whole: OwnData) -> RunData:
    assert whole.task is not None
    return RunData(whole, whole.seen, whole.task)


def data_of(
    run: Run, source: str | None = None, family: Family | None = None, *, trust: bool = False, test_only: bool = False
) -> RunData:
    """Return the data of `run`; the arguments are as for `load_data`.

    Args:
        trust: call code that only a file names.

    Raises:
        UsageError: they cannot be loaded, or do not fit `family`.
    """
    named = run.recipe.data if source is None else source
    if not looks_like_code(named):
        images, parts = load_data(run, source, family, test_only=test_only)
        return RunData(images, parts, task_of_images(run.recipe, parts))
    whole = read_whole(run.recipe, source, trust=trust or run.trust or source is not None or run.data is not None)
    assert isinstance(whole, OwnData)
    if family is not None:
        check_same(run, family)
        if not test_only:
            check_searched(family, whole.seen, f"the data that {named} makes")
    return _own(whole)


def task_of_images(recipe: Recipe, seen: SearchData) -> ImageClassification:
    """Return what is done with images in memory: they are classified.

    Raises:
        UsageError: the recipe says something else.
    """
    normalize, told = Normalize(seen.mean, seen.std), recipe.make_task() or Classification()
    if not isinstance(told, Classification):
        raise UsageError(
            f"task is {recipe.task!r}, but {recipe.data} contains images with one label each: expected classification; "
            "for other targets, pass your own code with --data module:callable"
        )
    return ImageClassification(normalize, len(seen.classes), told.score_name, told.class_weights)


def _for_task(family: Family, run: Run, data: RunData) -> Family:
    """Return `family` with the task of the run, whose functions no file holds.

    Raises:
        UsageError: the family was searched for a task with another score.
    """
    if run.recipe.task is None and isinstance(data.whole, DataSet):
        return family
    check_scored(family.task.measure, data.task, "pass the data of the search with --data")
    return replace(family, own_task=taught(data.task, family.network))


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run that is over, and what its members are judged on.

    Attributes:
        family: with the task of the run, as it answers for the device that was asked for.
    """

    run: Run
    family: Family
    data: RunData

    def split(self, name: str) -> Split:
        """Return the validation or the test split.

        Raises:
            UsageError: there is no test split.
        """
        return self.data.tested if name == "test" else self.data.seen.validation


def finished_run(
    folder: Path,
    family: Family,
    source: str | None = None,
    on: str | None = None,
    *,
    trust: bool = False,
    test_only: bool = False,
) -> FinishedRun:
    """Return the run in `folder`, whose family is `family`, with its data.

    Args:
        on: the device, of a family for several; the rest is as for `data_of`.

    Raises:
        UsageError: there is no such device, or the data cannot be loaded or do not fit.
    """
    family, run = family.on(on), read_run(folder)
    data = data_of(run, source, family, trust=trust, test_only=test_only)
    return FinishedRun(run, _for_task(family, run, data), data)
