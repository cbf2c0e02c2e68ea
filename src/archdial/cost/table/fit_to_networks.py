"""From measured parts and whole networks in a table to its fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from archdial.cost.table.contents import TableContents
from archdial.cost.table.fit import FEWEST, fit

Contents = TypeVar("Contents", bound=TableContents)

LAUNCH = "launch"
"""Key and kind of the part that does next to nothing."""


def fitted(table: Contents) -> Contents:
    """Return `table` with a fit to its networks; as it is with fewer than FEWEST, or where no launch was measured."""
    if len(table.networks) < FEWEST or LAUNCH not in table.parts:
        return table
    found = fit(
        counts=[table.runs(network.architecture) for network in table.networks],
        measured=[network.latency_ms for network in table.networks],
        latency_ms={key: part.latency_ms for key, part in table.parts.items()},
        kinds={key: part.kind for key, part in table.parts.items()},
        launch_ms=table.parts[LAUNCH].latency_ms,
    )
    return replace(table, fit=found)
