"""Budgets that a member is to meet: whether they can be met, and how errors name them."""

from __future__ import annotations

from collections.abc import Mapping

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.peak import PeakCost
from archdial.cost.table.terms import PEAK

UNITS = {
    "latency_ms": "ms",
    "parameters": "parameters",
    "flops": "FLOPs",
    "size_bytes": "bytes of weights",
    PEAK: "bytes at once",
}


def _number(value: float) -> str:
    return f"{value:.4g}" if value < 1000 else f"{value:,.0f}"


def budget_text(given: Mapping[str, float]) -> str:
    """Return budgets by column as they are named in errors."""
    return " and ".join(f"{_number(limit)} {UNITS[column]}" for column, limit in given.items())


def check_reachable(given: Mapping[str, float], costs: Mapping[str, ExpectedCost | PeakCost]) -> None:
    """Raise UsageError unless each budget `given` by column can be met, by `costs` of the same names."""
    if not given:
        names = "latency_ms, params, flops, size_bytes, peak_bytes"
        raise UsageError(f"within() without a budget: name at least one of {names}")
    for column, limit in given.items():
        if column not in costs:
            raise UsageError(f"the cost table has no {column}: it was made by an older archdial, profile again")
        cost = costs[column]
        if not limit >= cost.lowest:
            raise UsageError(
                f"{budget_text({column: limit})} is out of reach: "
                f"this family has {_number(cost.lowest)} to {_number(cost.highest)} {UNITS[column]}"
            )
