"""Latencies of built members, measured on this machine under the conditions of the cost table."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from archdial.common.errors import OtherConditions
from archdial.common.progress import Bar, NoBar
from archdial.cost.making.profiling import measure_many, warn_noisy
from archdial.cost.measuring.timing import Timing
from archdial.cost.table.machine import cores
from archdial.families.member import Member


def _threads(asked: int) -> int:
    """Return on how many threads to measure here, where a table from elsewhere asks for `asked`."""
    if asked > cores():
        warnings.warn(
            f"the cost table is for {asked} threads, but this process may use {cores()} cores: latencies measured here "
            f"are for {cores()} threads",
            OtherConditions,
            stacklevel=2,
        )
    return min(asked, cores())


def with_latency(members: Sequence[Member], *, repeats: int = 20, bar: Bar | NoBar | None = None) -> list[Member]:
    """Return `members` of one family with the median milliseconds of a batch in their built modules.

    Taken under the conditions of the family's table, its device, runtime, batch size and threads, and in the same
    rounds for all: machines have slow phases, and what was measured in different ones does not compare. What stays too
    noisy to be relied on is warned of, as NoisyMeasurement. Repeated no more often than the parts of the table were.
    """
    distinct = {member.identity: member for member in members}
    if not distinct:
        return []
    timings = timed(list(distinct.values()), repeats=repeats, bar=bar)
    found = {identity: timing.median_ms for identity, timing in zip(distinct, timings, strict=True)}
    return [replace(member, latency_ms=found[member.identity], latency_from="measured") for member in members]


def timed(members: Sequence[Member], *, repeats: int = 20, bar: Bar | NoBar | None = None) -> list[Timing]:
    """Return what a batch takes in each of `members` of one family, as `with_latency` does, in a new process."""
    family = members[0].family
    conditions = family.table.runtime
    timings = measure_many(
        [(member.timed(), family.network.example) for member in members],
        batch_size=int(conditions["batch_size"]),
        threads=_threads(int(conditions["threads"])),
        runtime=str(conditions["runtime"]),
        device=str(conditions["device"]),
        repeats=min(repeats, conditions.get("repeats", repeats)),
        progress=(bar or NoBar()).part("latency", 1).upto,
    )
    warn_noisy([f"member {n}" for n, timing in enumerate(timings) if timing.noisy], len(timings))
    return timings
