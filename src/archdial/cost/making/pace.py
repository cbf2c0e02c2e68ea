"""How fast a machine is now, relative to when its table was made: a few of the table's networks timed again."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archdial.common.errors import Drifted
from archdial.cost.making import whole_networks as whole
from archdial.cost.measuring.conditions import Conditions
from archdial.cost.measuring.rounds import WIDE
from archdial.cost.measuring.timing import Progress
from archdial.cost.table import machine
from archdial.cost.table.table import CostTable
from archdial.networks.supernet import Supernet
from archdial.space import Architecture, Space

REFERENCES = 10
"""Networks of the fit that are timed again."""
_TOLD = 0.05
"""A pace nearer to that of the table is not told of: two processes on one quiet machine are 1 to 3 % apart."""
_SURE = 0.975
"""Of the two-sided interval of 95 % for the mean of the ratios."""


@dataclass(frozen=True)
class Pace:
    """How long networks take now, divided by what they took when the table was made; one ratio a network, each > 0."""

    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the ratios; 1 without any."""
        return statistics.median(self.ratios) if self.ratios else 1.0

    @property
    def noise(self) -> float:
        """Half the width, relative, of the interval of 95 % for the mean of the logarithms, by Student's t."""
        from scipy.special import stdtrit

        count = len(self.ratios)
        if count < 2:
            return math.inf
        spread = statistics.stdev(math.log(ratio) for ratio in self.ratios)
        return float(stdtrit(count - 1, _SURE)) * spread / math.sqrt(count)

    @property
    def drifted(self) -> bool:
        """Whether the pace is another than the table's, by more than noise explains and by more than 5 %."""
        return abs(math.log(self.ratio)) > max(self.noise, math.log1p(_TOLD))

    @property
    def uneven(self) -> bool:
        """Whether networks drifted too differently for one factor: by more than 10 % between the quartiles."""
        if len(self.ratios) < 4:
            return False
        low, _, high = statistics.quantiles(self.ratios, n=4, method="inclusive")
        return (high - low) / self.ratio > WIDE

    def to_json(self) -> dict[str, Any]:
        """Return the pace as a JSON value."""
        noise = self.noise if math.isfinite(self.noise) else None
        return {"pace": self.ratio, "noise": noise, "networks": len(self.ratios), "drifted": self.drifted}


def references(space: Space, table: CostTable, count: int = REFERENCES) -> dict[Architecture, float]:
    """Return up to `count` networks of the table with the milliseconds that stand there, from fast to slow."""
    known = {space.parse(item.architecture): item.latency_ms for item in table.networks}
    ordered = sorted(known, key=known.__getitem__)
    count = min(count, len(ordered))
    places = [round(number * (len(ordered) - 1) / max(1, count - 1)) for number in range(count)]
    return {ordered[place]: known[ordered[place]] for place in places}


def pace_now(network: Supernet, table: CostTable, count: int = REFERENCES, progress: Progress | None = None) -> Pace:
    """Time up to `count` networks of the table's fit under its conditions, in a process of their own.

    Raises:
        UsageError: this machine cannot measure under these conditions.
        RunError: a network does not run on the table's runtime.
    """
    known = references(network.space, table, count)
    if not known:
        return Pace(())
    # Those of the fit are measured unmerged, as they were.
    _, *subjects = whole.subjects(network, list(known))
    timings = Conditions.of_table(table.runtime).time(subjects, progress)
    return Pace(ratios([timing.median_ms for timing in timings], list(known.values())))


def ratios(now: Sequence[float], then: Sequence[float]) -> tuple[float, ...]:
    """Return what each network takes now, divided by what it took; a clock that saw nothing tells nothing."""
    return tuple(one / before for one, before in zip(now, then, strict=True) if one > 0)


def warn_drift(pace: Pace, header: Mapping[str, Any], fix: str) -> None:
    """Warn as Drifted where this machine, on which a table with this `header` was made, is at another pace since.

    Args:
        fix: what to do about it.
    """
    if machine.elsewhere(header) or not pace.drifted:
        return
    warnings.warn(
        f"networks take {pace.ratio:.2f} times as long as the cost table says ({len(pace.ratios)} of its own re-timed, "
        f"± {pace.noise:.0%}): the speed of this machine has drifted since the table was made; {fix}",
        Drifted,
        stacklevel=3,
    )
