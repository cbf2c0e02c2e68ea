"""archdial searches once and hands over a dial: a network for every trade-off between accuracy and milliseconds."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archdial.cost.profile import profile
    from archdial.cost.table import CostTable
    from archdial.dial import Budget, OperationSimplex, Scalar
    from archdial.errors import RunError, UsageError
    from archdial.family import Family
    from archdial.member import Member
    from archdial.networks.cells import cells
    from archdial.networks.operations import register_operation
    from archdial.run import search
    from archdial.storage import load_family as load

__all__ = [
    "Budget",
    "CostTable",
    "Family",
    "Member",
    "OperationSimplex",
    "RunError",
    "Scalar",
    "UsageError",
    "cells",
    "load",
    "profile",
    "register_operation",
    "search",
]

_HOMES = {
    "Budget": "archdial.dial",
    "CostTable": "archdial.cost.table",
    "Family": "archdial.family",
    "Member": "archdial.member",
    "OperationSimplex": "archdial.dial",
    "RunError": "archdial.errors",
    "Scalar": "archdial.dial",
    "UsageError": "archdial.errors",
    "cells": "archdial.networks.cells",
    "load": "archdial.storage",
    "profile": "archdial.cost.profile",
    "register_operation": "archdial.networks.operations",
}


class _Package(ModuleType):
    """Names are loaded when first used: `archdial --help` need not wait seconds for torch."""

    def __getattr__(self, name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(_HOMES[name]), "load_family" if name == "load" else name)
        setattr(self, name, value)
        return value

    @property
    def search(self) -> Any:
        # A function beside a subpackage of the same name: the latter is only ever reached by import.
        return importlib.import_module("archdial.run").search

    @search.setter
    def search(self, module: ModuleType) -> None:
        """Let the import system bind the subpackage, without effect."""

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Package
