"""A table at another speed: all its times multiplied by one factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from archdial.cost.table.contents import TableContents
from archdial.cost.table.fit import Fit
from archdial.cost.table.terms import CostEntry, CostMerged, CostNetwork, CostPart

Contents = TypeVar("Contents", bound=TableContents)
Timed = TypeVar("Timed", CostMerged, CostNetwork, CostPart)


def scaled(table: Contents, factor: float, header: Mapping[str, Any]) -> Contents:
    """Return `table` with each of its times, fit and networks too, `factor` as long, under another `header`.

    Spreads, scales and residuals are shares of times, and stay. What is counted stays.
    """

    def entry(one: CostEntry) -> CostEntry:
        merged = None if one.merged is None else _longer(one.merged, factor)
        return replace(one, latency_ms=factor * one.latency_ms, merged=merged)

    return replace(
        table,
        runtime=header,
        terms=tuple(replace(term, entries=tuple(map(entry, term.entries))) for term in table.terms),
        parts={key: _longer(part, factor) for key, part in table.parts.items()},
        networks=tuple(_longer(network, factor) for network in table.networks),
        fit=None if table.fit is None else _scaled_fit(table.fit, factor),
    )


def _longer(one: Timed, factor: float) -> Timed:
    return replace(one, latency_ms=factor * one.latency_ms)


def _scaled_fit(fit: Fit, factor: float) -> Fit:
    return replace(
        fit,
        launch_ms=factor * fit.launch_ms,
        constant_ms=factor * fit.constant_ms,
        launches_ms={kind: factor * ms for kind, ms in fit.launches_ms.items()},
        parts_ms={key: factor * ms for key, ms in fit.parts_ms.items()},
    )
