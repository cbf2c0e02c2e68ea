"""Rescaling a table whose machine has changed its speed, by re-timing a few of its networks."""

from __future__ import annotations

from datetime import UTC, datetime

from archdial.common.errors import UsageError
from archdial.cost.making.pace import Pace, pace_now
from archdial.cost.measuring.timing import Progress
from archdial.cost.table import machine
from archdial.cost.table.scaled import scaled
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Supernet


def recalibrated(network: Supernet, table: CostTable, progress: Progress | None = None) -> tuple[CostTable, Pace]:
    """Return `table` with all times at the pace of this machine now, and that pace beside the table's.

    The factor is the median, over ten of the networks that the table was fitted to, of what each takes now to what it
    took. The header says so under "recalibrated".

    Raises:
        UsageError: the table holds no whole networks, is of another machine, or cannot be measured here.
        RunError: a network does not run on the table's runtime.
    """
    if other := machine.elsewhere(table.runtime):
        raise UsageError(
            f"the cost table is from {other}, and this machine is {machine.processor()}: recalibrate it there, or "
            "profile again here"
        )
    if not table.networks:
        raise UsageError("the cost table has no whole networks to re-time: profile again")
    pace = pace_now(network, table, progress=progress)
    before = table.runtime.get("recalibrated", {"ratio": 1.0})
    told = {
        "ratio": before["ratio"] * pace.ratio,
        "networks": len(pace.ratios),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return scaled(table, pace.ratio, {**table.runtime, "recalibrated": told}), pace
