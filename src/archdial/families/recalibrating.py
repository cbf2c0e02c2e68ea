"""Recalibrating a family whose machine has changed its speed: only its table is scaled."""

from __future__ import annotations

from dataclasses import replace

from archdial.common.errors import UsageError
from archdial.cost.making.pace import Pace
from archdial.cost.making.recalibrating import recalibrated
from archdial.cost.measuring.timing import Progress
from archdial.families.family import Family


def recalibrate(family: Family, progress: Progress | None = None) -> Family:
    """Return `family` with its table scaled to the current speed of this machine.

    Ten of the networks that the table was fitted to are timed again. All milliseconds change by one factor, so the
    ranking of members does not change, and dial positions keep their meaning.

    Args:
        family: with several devices, that of one device, `family.on(name)`.
        progress: called with (steps done, total steps).

    Raises:
        UsageError: the table has no whole networks, is from another machine, or cannot be measured here.
        RunError: a network does not run on the table's runtime.
    """
    return at_pace(family, progress)[0]


def at_pace(family: Family, progress: Progress | None = None) -> tuple[Family, Pace]:
    """Return what `recalibrate` does, and the pace that was found."""
    try:
        table, pace = recalibrated(family.network, family.table, progress)
    except UsageError as error:
        raise UsageError(f"{family.device}: {error}" if family.device else error) from None
    if family.devices is None:
        return replace(family, table=table), pace
    name = str(family.device)
    each = {**family.devices.each, name: replace(family.devices.each[name], table=table)}
    return family.answering(replace(family.devices, each=each).view(name)), pace
