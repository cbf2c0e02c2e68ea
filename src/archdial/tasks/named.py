"""Tasks by name, as in recipes: the names, and the settings of each."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_type_hints

from archdial.common.errors import UsageError, short, unknown
from archdial.common.validation import conforming
from archdial.tasks.classification import Classification
from archdial.tasks.detection import Detection
from archdial.tasks.imitation import Imitation
from archdial.tasks.language import LanguageModelling
from archdial.tasks.multi_label import MultiLabel
from archdial.tasks.regression import Regression
from archdial.tasks.segmentation import Segmentation
from archdial.tasks.task import Task

TASKS: dict[str, type[Task]] = {
    "classification": Classification,
    "multi_label": MultiLabel,
    "regression": Regression,
    "segmentation": Segmentation,
    "detection": Detection,
    "language_modelling": LanguageModelling,
    "imitation": Imitation,
}
_NOT_JSON = ("self", "teacher", "loss", "detections")
"""Arguments that no file can hold."""


def make_task(value: str | Mapping[str, Any]) -> Task:
    """Return the task that a recipe names, alone or as `kind` beside its settings.

    Raises:
        UsageError: there is no such task or setting, or a setting cannot be.
    """
    settings = {"kind": value} if isinstance(value, str) else dict(value)
    kind = settings.pop("kind", None)
    if kind is None:
        raise UsageError(f"task is {short(value)}: add `kind: …`, one of {', '.join(TASKS)}")
    if not isinstance(kind, str) or kind not in TASKS:
        raise unknown("task", str(kind), TASKS)
    return TASKS[kind](**_checked(TASKS[kind], settings))


def _checked(made: type[Task], settings: Mapping[str, Any]) -> dict[str, Any]:
    known = [name for name in inspect.signature(made.__init__).parameters if name not in _NOT_JSON]
    hints = get_type_hints(made.__init__)
    for name in settings:
        if name not in known:
            raise unknown("task setting", name, known)
    return {name: conforming(hints[name], setting, f"task.{name}") for name, setting in settings.items()}
