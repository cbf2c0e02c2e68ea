"""A family's task as stored: how scores are named and compared, and how pixels are normalised."""

from __future__ import annotations

from typing import Any

from archdial.common.errors import UsageError, cut
from archdial.data import Normalize
from archdial.families.family_file import FamilyFile
from archdial.tasks.classification import SCORES
from archdial.tasks.images import ImageClassification
from archdial.tasks.measure import Measure
from archdial.tasks.stored import StoredTask
from archdial.tasks.task import Task


def normalize_json(normalize: Normalize | None) -> dict[str, Any] | None:
    """Return mean and deviation, of a family for images."""
    return None if normalize is None else {"mean": normalize.mean, "std": normalize.std}


def task_json(task: Task | None) -> dict[str, Any]:
    """Return what files of families for the accuracy on images, which are as they always were, do not have."""
    return {} if task is None else {"task": {"measure": task.measure.to_json()}}


def stored_task(file: FamilyFile, task: Task | None) -> tuple[Normalize | None, Task | None]:
    """Return what images are brought to, or of other families the task: the caller's, or what the file knows of it."""
    normalize = None if file.normalize is None else Normalize(file.normalize.mean, file.normalize.std)
    if file.task is None and normalize is None:
        raise UsageError("it has neither normalize, for images, nor a task: restore a copy")
    if file.task is None:
        return normalize, None
    if task is not None:
        check_scored(file.task.measure, task, "pass the task of the search")
    if normalize is not None:
        return normalize, task or _of_images(normalize, file.task.measure, len(file.classes))
    return None, task or StoredTask(file.task.measure)


def check_scored(measure: Measure, task: Task, fix: str) -> None:
    """Raise UsageError, which ends in `fix`, unless `task` is scored as a family was."""
    if task.measure != measure:
        raise UsageError(
            f"the family was scored by {measure.name}, but the task is scored by {task.measure.name}: {fix}"
        )


def _of_images(normalize: Normalize, measure: Measure, classes: int) -> ImageClassification:
    """Return the classification of images scored by `measure`; weights of classes are in no file."""
    score = next((name for name in SCORES if name == measure.name), None)
    found = None if score is None else ImageClassification(normalize, classes, score)
    if found is None or found.measure != measure:
        raise UsageError(f"it classifies images but is scored by {cut(measure.name)}: restore a copy")
    return found
