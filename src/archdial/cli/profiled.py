"""A cost table, and its check, as tables on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from archdial.cost.making.checking import Check
    from archdial.cost.table.table import CostTable

ALWAYS = "always runs"


def agreements(checked: Check) -> Table:
    """Return how far table and plain sum are from networks that the table has not seen."""
    from rich.table import Table

    shown = Table(
        title=f"{len(checked.measured)} networks that the table has not seen, relative speed {checked.pace:.2f}"
    )
    shown.add_column("prediction")
    for heading in ("mean error", "within ±10 %", "Kendall τ"):
        shown.add_column(heading, justify="right")
    for name, agreement in (("table", checked.agreement), ("sum of the parts", checked.plain)):
        figures = (f"{agreement.mean_error:.1%}", f"{agreement.within:.0%}", f"{agreement.kendall:.2f}")
        shown.add_row(name, *figures)
    return shown


def summary(table: CostTable) -> Table:
    """Return the mean cost of each option."""
    from rich.table import Table

    conditions = table.runtime
    device = conditions.get("device_name", conditions["device"])
    where = f"{device}, {conditions['runtime']}, batch {conditions['batch_size']}"
    shown = Table(title=f"mean cost per option, {where}, threads {conditions['threads']}")
    shown.add_column("option")
    for heading in ("places", "latency ms", "parameters", "FLOPs"):
        shown.add_column(heading, justify="right")
    for name, rows in _by_option(table).items():
        # What always runs is one thing, in however many entries.
        places = 1 if name == ALWAYS else len(rows)
        means = [sum(column) / places for column in zip(*rows, strict=True)]
        shown.add_row(name, str(places), f"{means[0]:.4f}", f"{means[1]:,.0f}", f"{means[2]:,.0f}")
    return shown


def interpolated(table: CostTable) -> list[str]:
    """Return what is said of parts that were not measured, if there are any."""
    told = table.runtime.get("interpolated")
    if not told:
        return []
    predicted = sum(part.predicted for part in table.parts.values())
    return [
        f"{predicted} of {len(table.parts)} parts are predicted from others that differ only in size: on "
        f"{told['held_out']} held-out parts the mean error is {told['held_out_mean_error']:.1%}, and "
        f"{told['within_10']:.0%} are within ±10 %"
    ]


def _by_option(table: CostTable) -> dict[str, list[tuple[float, int, int]]]:
    found: dict[str, list[tuple[float, int, int]]] = {}
    for term in table.priced():
        for entry in term.entries:
            name = " + ".join(entry.options) or ALWAYS
            found.setdefault(name, []).append((entry.latency_ms, entry.parameters, entry.flops))
    return found
