"""The data of a run: images that a folder or a name stands for, or what code of the user's makes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from archdial.common.errors import UsageError
from archdial.common.own_code import looks_like_code
from archdial.data import DataSet, Normalize, SearchData, Seen
from archdial.data.split import Split
from archdial.families.family import Family
from archdial.networks.pretrained import taught
from archdial.runs.folder import Run
from archdial.runs.images import check_same, load_data, parted, read_images
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
            f"data {name!r} and no task: name one in the recipe (task: classification), or let it return one under "
            '"task"'
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
    known = None if family is None else family.info.get("images", {}).get("sha256")
    if known not in (None, whole.seen.digest) and not test_only:
        raise UsageError(
            f"the data that {named} makes are not those of the search, some of which would then judge what they have "
            "trained: name the data of the search by --data"
        )
    return _own(whole)


def task_of_images(recipe: Recipe, seen: SearchData) -> ImageClassification:
    """Return what is done with images in memory: they are classified.

    Raises:
        UsageError: the recipe says something else.
    """
    normalize, told = Normalize(seen.mean, seen.std), recipe.make_task() or Classification()
    if not isinstance(told, Classification):
        raise UsageError(
            f"task is {recipe.task!r}, and {recipe.data} holds images with one label each: expected classification; "
            "for other targets name code of yours by --data module:callable"
        )
    return ImageClassification(normalize, len(seen.classes), told.score_name, told.class_weights)


def for_task(family: Family, run: Run, data: RunData) -> Family:
    """Return `family` with the task of the run, whose functions no file holds.

    Raises:
        UsageError: the family was searched for a task with another score.
    """
    if run.recipe.task is None and isinstance(data.whole, DataSet):
        return family
    if data.task.measure != family.task.measure:
        raise UsageError(
            f"the family was scored by {family.task.measure.name}, and the task is scored by {data.task.measure.name}: "
            "name the data of the search by --data"
        )
    return replace(family, own_task=taught(data.task, family.network))
