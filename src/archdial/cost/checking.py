"""How far a table is to be trusted: predicted against measured latency of networks that its fit has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from archdial.cost import timing, whole
from archdial.cost.conditions import Conditions
from archdial.cost.expected import ExpectedCost
from archdial.cost.fit import Agreement
from archdial.cost.profile import NETWORKS, warn_noisy
from archdial.cost.table import CostTable
from archdial.cost.timing import Progress
from archdial.errors import UsageError
from archdial.networks.base import Supernet
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
        measured: of the built network.
    """

    architectures: tuple[Architecture, ...]
    predicted: tuple[float, ...]
    summed: tuple[float, ...]
    measured: tuple[float, ...]

    @property
    def agreement(self) -> Agreement:
        """Of prediction and measurement."""
        return Agreement.of(self.predicted, self.measured)

    @property
    def plain(self) -> Agreement:
        """Of the plain sum and the measurement."""
        return Agreement.of(self.summed, self.measured)

    def to_json(self) -> dict[str, Any]:
        """Return the agreements and the latencies as a JSON value."""
        return {
            "networks": len(self.measured),
            "fitted": asdict(self.agreement),
            "plain": asdict(self.plain),
            "predicted_ms": list(self.predicted),
            "summed_ms": list(self.summed),
            "measured_ms": list(self.measured),
        }


def check(network: Supernet, table: CostTable, count: int = NETWORKS, progress: Progress | None = None) -> Check:
    """Measure `count` random networks under the conditions of `table`, none of which its fit has seen.

    Raises:
        UsageError: this machine cannot measure under these conditions, or the space has no further architectures.
        RunError: a network does not run on the table's runtime.
    """
    conditions = Conditions.of(
        table.runtime["runtime"],
        table.runtime["batch_size"],
        table.runtime["threads"],
        timing.REPEATS,
        table.runtime["device"],
    )
    seen = whole.architectures(network, NETWORKS if table.fit is None else max(NETWORKS, table.fit.networks), seed=0)
    chosen = whole.architectures(network, count, seed=_SEED, without=set(seen))
    if not chosen:
        raise UsageError(f"the space has no architectures beside the {len(seen)} that the table was fitted to")
    subjects = list(whole.subjects(network, chosen))
    timings = conditions.time(subjects, progress)
    warn_noisy([part.key for part, found in zip(subjects, timings, strict=True) if found.noisy], len(timings))
    fitted, summed = ExpectedCost(network.space, table), ExpectedCost(network.space, table.without_fit())
    return Check(
        tuple(chosen),
        tuple(fitted.of(architecture) for architecture in chosen),
        tuple(summed.of(architecture) for architecture in chosen),
        tuple(found.median_ms for found in timings),
    )
