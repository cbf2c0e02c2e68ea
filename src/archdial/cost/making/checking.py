"""How reliable a table is: predicted against measured latency of networks that its fit has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from archdial.common.errors import UsageError
from archdial.cost.making import whole_networks as whole
from archdial.cost.making.pace import Pace, ratios, references, warn_drift
from archdial.cost.making.profiling import warn_noisy
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.timing import Progress
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.fit import Agreement
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Supernet
from archdial.space import Architecture

_SEED = 1
"""Another one than that of the networks to which a table is fitted."""


@dataclass(frozen=True)
class Check:
    """Milliseconds of a batch in each of several networks, one value a network.

    Attributes:
        architectures: of the networks.
        predicted: by the table with its fit.
        summed: the plain sum of the parts.
        measured: of the built network, at the pace of the check.
        pace: what networks of the table's own fit take now, divided by what they took when the table was made: a busy
            machine, or one of another clock, takes longer for all.
    """

    architectures: tuple[Architecture, ...]
    predicted: tuple[float, ...]
    summed: tuple[float, ...]
    measured: tuple[float, ...]
    pace: float = 1.0

    @property
    def agreement(self) -> Agreement:
        """Of prediction and measurement, at the table's pace."""
        return Agreement.of(self.predicted, [latency / self.pace for latency in self.measured])

    @property
    def plain(self) -> Agreement:
        """Of the plain sum and the measurement, at the table's pace."""
        return Agreement.of(self.summed, [latency / self.pace for latency in self.measured])

    def to_json(self) -> dict[str, Any]:
        """Return the agreements and the latencies as a JSON value."""
        return {
            "networks": len(self.measured),
            "fitted": asdict(self.agreement),
            "plain": asdict(self.plain),
            "predicted_ms": list(self.predicted),
            "summed_ms": list(self.summed),
            "measured_ms": list(self.measured),
            "pace": self.pace,
        }


def check(network: Supernet, table: CostTable, count: int | None = None, progress: Progress | None = None) -> Check:
    """Measure `count` random networks under the conditions of `table`, none of which its fit has seen.

    By default as many as it is fitted to, or would be by default.

    Raises:
        UsageError: this machine cannot measure under these conditions, or the space has no further architectures.
        RunError: a network does not run on the table's runtime.
    """
    conditions = Conditions.of_table(table.runtime)
    known = {network.space.parse(item.architecture): item.latency_ms for item in table.networks}
    count = (len(known) or conditions.runtime.networks(len(table.parts))) if count is None else count
    chosen = whole.architectures(network, count, seed=_SEED, without=known)
    if not chosen:
        raise UsageError(
            f"the space has no architectures other than the {len(known)} that the table was fitted to: omit the check"
        )
    again = references(network.space, table)
    # Those of the fit as they were measured for it, the others as members are.
    merging = [table.merging(network.space.describe(architecture)) for architecture in chosen]
    _, *subjects = whole.subjects(network, [*chosen, *again], merging)
    timings = conditions.time(subjects, progress)
    warn_noisy([part.key for part, found in zip(subjects, timings, strict=True) if found.noisy], len(timings))
    pace = Pace(ratios([found.median_ms for found in timings[len(chosen) :]], list(again.values())))
    warn_drift(pace, table.runtime, "rescale the table with `archdial profile --recalibrate`, or profile again")
    fitted, summed = ExpectedCost(network.space, table), ExpectedCost(network.space, table.without_fit())
    return Check(
        tuple(chosen),
        tuple(fitted.of(architecture) for architecture in chosen),
        tuple(summed.of(architecture) for architecture in chosen),
        tuple(found.median_ms for found in timings[: len(chosen)]),
        pace.ratio,
    )
