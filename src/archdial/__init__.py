"""archdial searches once and hands over a dial: a network for every trade-off between accuracy and milliseconds."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archdial.cost.profile import profile
    from archdial.cost.table import CostTable
    from archdial.dial import Budget, OperationSimplex, Scalar
    from archdial.errors import RunError, UsageError
    from archdial.family import Family
    from archdial.member import Member
    from archdial.networks.cells import cells
    from archdial.networks.gated import gates
    from archdial.networks.operations import register_operation
    from archdial.redialling import add_device, redial
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
    "add_device",
    "cells",
    "gates",
    "load",
    "profile",
    "redial",
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
    "add_device": "archdial.redialling",
    "cells": "archdial.networks.cells",
    "gates": "archdial.networks.gated",
    "load": "archdial.storage",
    "profile": "archdial.cost.profile",
    "redial": "archdial.redialling",
    "register_operation": "archdial.networks.operations",
    "search": "archdial.run",
}
_RENAMED = {"load": "load_family"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `archdial --help` need not wait seconds for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), _RENAMED.get(name, name))
    # No submodule may have a public name: importing it would bind it here instead.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
