"""archdial searches once and hands over a dial: a network for every trade-off between accuracy and milliseconds."""

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
