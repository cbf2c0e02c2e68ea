"""Search once, then dial: a network for every trade-off between accuracy and measured milliseconds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archdial import dial
    from archdial.common.errors import RunError, UsageError
    from archdial.comparing.measured import score
    from archdial.cost.making.profiling import profile
    from archdial.cost.table.table import CostTable
    from archdial.dial import Budget, OperationSimplex, Scalar
    from archdial.families.family import Family
    from archdial.families.member import Member
    from archdial.families.recalibrating import recalibrate
    from archdial.families.redialling import add_device, redial
    from archdial.families.searched import search
    from archdial.families.storage import load_family as load
    from archdial.networks.cells.network import cells
    from archdial.networks.cells.operations import register_operation
    from archdial.networks.graph import gates
    from archdial.networks.graph.choosing import choices
    from archdial.networks.graph.own_loss import without_loss
    from archdial.searching.settings import SearchSettings
    from archdial.tasks.classification import Classification
    from archdial.tasks.detection import Detection
    from archdial.tasks.imitation import Imitation
    from archdial.tasks.language import LanguageModelling
    from archdial.tasks.multi_label import MultiLabel
    from archdial.tasks.own import OwnTask as Task
    from archdial.tasks.regression import Regression
    from archdial.tasks.segmentation import Segmentation
    from archdial.training.settings import TrainSettings

__all__ = [
    "Budget",
    "Classification",
    "CostTable",
    "Detection",
    "Family",
    "Imitation",
    "LanguageModelling",
    "Member",
    "MultiLabel",
    "OperationSimplex",
    "Regression",
    "RunError",
    "Scalar",
    "SearchSettings",
    "Segmentation",
    "Task",
    "TrainSettings",
    "UsageError",
    "add_device",
    "cells",
    "choices",
    "dial",
    "gates",
    "load",
    "profile",
    "recalibrate",
    "redial",
    "register_operation",
    "score",
    "search",
    "without_loss",
]

_HOMES = {
    "Budget": "archdial.dial",
    "Classification": "archdial.tasks.classification",
    "CostTable": "archdial.cost.table.table",
    "Detection": "archdial.tasks.detection",
    "Family": "archdial.families.family",
    "Imitation": "archdial.tasks.imitation",
    "LanguageModelling": "archdial.tasks.language",
    "Member": "archdial.families.member",
    "MultiLabel": "archdial.tasks.multi_label",
    "OperationSimplex": "archdial.dial",
    "Regression": "archdial.tasks.regression",
    "RunError": "archdial.common.errors",
    "Scalar": "archdial.dial",
    "SearchSettings": "archdial.searching.settings",
    "Segmentation": "archdial.tasks.segmentation",
    "Task": "archdial.tasks.own",
    "TrainSettings": "archdial.training.settings",
    "UsageError": "archdial.common.errors",
    "add_device": "archdial.families.redialling",
    "cells": "archdial.networks.cells.network",
    "choices": "archdial.networks.graph.choosing",
    "gates": "archdial.networks.graph",
    "load": "archdial.families.storage",
    "profile": "archdial.cost.making.profiling",
    "recalibrate": "archdial.families.recalibrating",
    "redial": "archdial.families.redialling",
    "register_operation": "archdial.networks.cells.operations",
    "score": "archdial.comparing.measured",
    "search": "archdial.families.searched",
    "without_loss": "archdial.networks.graph.own_loss",
}
_RENAMED = {"load": "load_family", "Task": "OwnTask"}
_PACKAGES = ("dial",)
"""Public as a whole: `archdial.dial.Power()`."""


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `archdial --help` need not wait seconds for torch."""
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), _RENAMED.get(name, name))
    # No submodule may share a name with one of these: importing it would bind the submodule here instead.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
