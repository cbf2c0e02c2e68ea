"""Finding a member that really meets a latency budget: candidates are built and timed here, twice."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from archdial.common.errors import OtherConditions, UsageError
from archdial.common.progress import Bar, NoBar
from archdial.cost.making.pace import pace_now, warn_drift
from archdial.cost.measuring.rounds import COMPANY
from archdial.cost.table import machine
from archdial.cost.table.margin import NO_MARGIN
from archdial.families.answers import Answers
from archdial.families.budgets import LATENCY, Asked, budget_text, check_reachable, none_at_once
from archdial.families.timed import timed
from archdial.space import Architecture

LEVELS, COUNT = 8, 12
"""Candidates of a round: the best at LEVELS budgets around the one asked for, then others up to COUNT."""
TOGETHER = COMPANY + 1
"""With this many in a process, the speed of each round is known, and slow rounds are corrected."""
ROUNDS = 4
WINDOW = 0.05
"""How far around the budget is looked at least, as a share of it; further where the table's errors are larger."""
GUARD = 0.01
"""By what share of the budget less a candidate has to take at least: what quiet processes are apart."""
REPEATS = 30

Timer = Callable[[Sequence[Architecture]], list[float]]
"""Returns the milliseconds of a batch in each, measured together in a new process."""


@dataclass
class Trial:
    """Candidates for one budget, and what was measured of them.

    Attributes:
        family: whose they are.
        asked: the budgets.
        window: how far around the budget is looked, as a share of it.
        timer: times them.
        took: milliseconds of each, the slower of both where there are two.
        twice: those that were timed in two processes.
        apart: by what share the second took more or less, of each.
    """

    family: Answers
    asked: Asked
    window: float
    timer: Timer
    took: dict[Architecture, float] = field(default_factory=dict)
    twice: set[Architecture] = field(default_factory=set)
    apart: list[float] = field(default_factory=list)

    @property
    def budget(self) -> float:
        """Milliseconds that are asked for."""
        return self.asked.given[LATENCY]

    @property
    def guard(self) -> float:
        """By what share of the budget less a candidate has to take: on a busy machine what processes are apart."""
        return max(GUARD, statistics.median(self.apart)) if self.apart else GUARD

    def best(self, aim: float) -> Architecture | None:
        """Return the most accurate that takes less than the budget twice; None where none was found.

        Args:
            aim: milliseconds by the table, around which candidates are taken first.
        """
        for number in range(ROUNDS):
            fresh = [one for one in self._candidates(aim) if one not in self.took]
            if not fresh:
                break
            self.took |= dict(zip(fresh, self.timer(fresh), strict=True))
            found = self.budget / self._off(fresh)
            if number + 1 < ROUNDS and abs(found / aim - 1) > self.window:
                # The table is further off here than it knows: what is around the budget is elsewhere.
                aim = found
                continue
            if (held := self._held()) is not None:
                return held
            aim = min(found, aim) * (1 - self.window)
        return self._held()

    def _off(self, architectures: Sequence[Architecture]) -> float:
        """Return the median of what each takes, divided by what the table says."""
        cost = self.family.chooser.costs[LATENCY]
        return statistics.median(self.took[one] / max(cost.of(one), 1e-9) for one in architectures)

    def _candidates(self, aim: float) -> list[Architecture]:
        """Return the best by the table at budgets around `aim`, and the next best if these are few."""
        chooser = self.family.chooser
        cost = chooser.costs[LATENCY]
        most = max(aim * (1 + self.window), cost.lowest)
        pool = chooser.pool({**self.asked.given, LATENCY: most})
        merits, costs = chooser.merits(pool) if pool else {}, {one: cost.of(one) for one in pool}
        ranked = sorted(pool, key=lambda one: (-merits[one], costs[one]))
        levels = [most - 2 * aim * self.window * level / (LEVELS - 1) for level in range(LEVELS)]
        best = [next((one for one in ranked if costs[one] <= level * (1 + 1e-9)), None) for level in levels]
        found = list(dict.fromkeys(one for one in best if one is not None))
        # By the table each of these meets the budget as likely as not.
        more = [one for one in ranked if one not in found and costs[one] <= max(aim, cost.lowest)]
        return [*found, *more[: COUNT - len(found)]]

    def _held(self) -> Architecture | None:
        """Return the best that takes less than the budget in both processes; whoever was timed once is timed again."""
        while meeting := self._meeting():
            if meeting[0] in self.twice:
                return meeting[0]
            again = [one for one in [*meeting, *self.took] if one not in self.twice]
            again = list(dict.fromkeys(again))[:TOGETHER]
            for one, ms in zip(again, self.timer(again), strict=True):
                self.apart.append(abs(ms / max(self.took[one], 1e-9) - 1))
                self.took[one] = max(self.took[one], ms)
            self.twice.update(again)
        return None

    def _meeting(self) -> list[Architecture]:
        good = [one for one, ms in self.took.items() if ms <= self.budget / (1 + self.guard)]
        merits = self.family.chooser.merits(good) if good else {}
        return sorted(good, key=lambda one: (-merits[one], self.took[one]))


def truly_within(
    family: Answers, asked: Asked, margin: float | None, bar: Bar | NoBar | None = None
) -> tuple[Architecture, float]:
    """Return the most accurate candidate that meets the budget of milliseconds as measured here, and what it takes.

    First a few networks of the table are timed again, which tell the pace of this machine. Then the best by the table
    at budgets around the one that is asked for are built and timed together, under the table's runtime, threads and
    batch size, and those that meet it once more in another process; the slower counts, and has to be 1 % below, or as
    far as the two processes turned out to be apart.

    Raises:
        UsageError: a budget is out of reach, none of the candidates meets them, or this machine cannot measure so.
        RunError: one does not run on the table's runtime.
    """
    _check_others(family, asked)
    table = family.table
    if other := machine.elsewhere(table.runtime):
        warnings.warn(
            f"the cost table is from {other}, but this machine is {machine.processor()}: the budget is met "
            "here, not there",
            OtherConditions,
            stacklevel=4,
        )
    progress = (bar or NoBar()).part("pace", 1).upto
    pace = pace_now(family.network, table, TOGETHER, progress)
    warn_drift(
        pace, table.runtime, "rescale it with `archdial profile RUN --recalibrate` or archdial.recalibrate(family)"
    )

    def timer(architectures: Sequence[Architecture]) -> list[float]:
        members = [family.member(one) for one in architectures]
        return [timing.median_ms for timing in timed(members, repeats=REPEATS, bar=bar)]

    trial = Trial(family, asked, max(WINDOW, 2 * WINDOW if margin is None else margin), timer)
    best = trial.best(trial.budget / pace.ratio)
    if best is None:
        raise _none_meets(asked, trial)
    return best, trial.took[best]


def _check_others(family: Answers, asked: Asked) -> None:
    """Refuse what no timing makes possible: this machine may be faster than the table says, but not without end."""
    budget = asked.given[LATENCY]
    given = asked.without(LATENCY) if budget > 0 else asked.given
    if given:
        check_reachable(Asked(given, NO_MARGIN), family.chooser.costs)


def _none_meets(asked: Asked, trial: Trial) -> UsageError:
    if not trial.took:
        return none_at_once(asked, None)
    fastest = min(trial.took.values())
    return UsageError(
        f"none of {len(trial.took)} candidates timed here stays {trial.guard:.0%} below {budget_text(asked.given)} "
        f"twice: the fastest took {fastest:.4g} ms; raise the budget slightly above that"
    )
