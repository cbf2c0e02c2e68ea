"""From cost tables to the dial and the cost of a search, for one device or several."""

from __future__ import annotations

from archdial.common.errors import UsageError
from archdial.cost.pricing.by_hardware import CostByDevice
from archdial.cost.pricing.expected import Cost, ExpectedCost
from archdial.cost.pricing.fingerprint import Fingerprint
from archdial.cost.table.several import Tables
from archdial.cost.table.table import CostTable
from archdial.dial import Dial
from archdial.dial.per_hardware import PerDevice
from archdial.space import Space


def arranged(space: Space, tables: Tables, dial: Dial, column: str) -> tuple[Dial, Cost]:
    """Return the dial and the cost of a search for the device, or the devices, of `tables`.

    Raises:
        UsageError: there is no table, or one is not of `space`.
    """
    if isinstance(tables, CostTable):
        return dial, ExpectedCost(space, tables, column)
    if not tables:
        raise UsageError("no cost table: expected at least one device")
    costs = [ExpectedCost(space, table, column) for table in tables.values()]
    fingerprint = Fingerprint.across(space, costs)
    return PerDevice.of(dial, [fingerprint.of(cost) for cost in costs]), CostByDevice(costs)
