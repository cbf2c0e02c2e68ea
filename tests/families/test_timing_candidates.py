"""Who truly meets a budget: on machines that are simulated, whose tables are off and whose processes differ."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from archdial.common.errors import Drifted, OtherConditions, UsageError
from archdial.cost.making.pace import Pace
from archdial.cost.measuring.timing import Timing
from archdial.families import timing_candidates
from archdial.families.budgets import Asked
from archdial.families.family import Family
from archdial.families.timing_candidates import GUARD, Trial
from archdial.space import Architecture
from tests.families.promised import with_errors
from tests.toy import Toy

BUDGETS = [0.1 + 0.05 * number for number in range(20)]


class Machine:
    """Takes `pace` of what the table says, each network a few percent off it, each process about one percent more."""

    def __init__(
        self, family: Family, pace: float = 1.0, off: float = 0.03, noise: float = 0.01, seed: int = 0
    ) -> None:
        self.family, self.pace, self.off, self.noise, self.seed = family, pace, off, noise, seed
        self.processes = 0

    def truly(self, architecture: Architecture) -> float:
        own = random.Random(f"{self.seed} {architecture.options}").gauss(0, self.off)
        return self.pace * (1 + own) * self.family.costs["latency_ms"].of(architecture)

    def __call__(self, architectures: Sequence[Architecture]) -> list[float]:
        self.processes += 1
        dice = random.Random(f"{self.seed} {self.processes}")
        return [self.truly(one) * (1 + dice.gauss(0, self.noise)) for one in architectures]


def found(family: Family, budget: float, machine: Machine, told: float = 1.0) -> Architecture | None:
    """What a trial finds where the reference networks tell the pace to be `told`."""
    return Trial(family, Asked({"latency_ms": budget}, 0.95, True), 0.05, machine).best(budget / told)


def budget_of(toy: Toy, part: float, pace: float = 1.0) -> float:
    cost = toy.family.costs["latency_ms"]
    return pace * (cost.lowest + part * (cost.highest - cost.lowest))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("pace", "told"), [(1.0, 1.0), (1.4, 1.4), (0.7, 0.7), (1.5, 1.0), (0.6, 1.0)])
def test_it_meets_the_budget_measured_again(full_toy: Toy, pace: float, told: float, seed: int) -> None:
    family = full_toy.family
    for part in BUDGETS:
        machine = Machine(family, pace, seed=seed)
        budget = budget_of(full_toy, part, pace)
        chosen = found(family, budget, machine, told)
        assert chosen is not None
        # Whatever another process says, for it is as likely to say more as less.
        assert machine.truly(chosen) <= 1.02 * budget
        assert 2 <= machine.processes <= 12


@pytest.mark.slow
@pytest.mark.parametrize(("pace", "told"), [(1.0, 1.0), (1.5, 1.0), (0.6, 1.0)])
def test_it_is_nearly_the_best_that_truly_does(full_toy: Toy, pace: float, told: float) -> None:
    family, lost = full_toy.family, []
    for part in BUDGETS:
        machine = Machine(family, pace)
        budget = budget_of(full_toy, part, pace)
        chosen = found(family, budget, machine, told)
        assert chosen is not None
        truly = [full_toy.accuracy(one) for one in full_toy.every if machine.truly(one) <= budget]
        lost.append(max(truly) - full_toy.accuracy(chosen))
    # Twelve of a thousand are timed, and the best of all may be one that the table is farthest off.
    assert sum(lost) / len(lost) <= 0.01 and max(lost) <= 0.05


def test_a_margin_is_not_paid_where_it_was_measured(full_toy: Toy) -> None:
    """Of a table that is off by a tenth, and a machine that is not: what is measured is worth more than a promise."""
    family = with_errors(full_toy.family, [0.1, -0.1] * 8)
    better = 0
    for part in BUDGETS[3:15]:
        budget = budget_of(full_toy, part)
        chosen = found(family, budget, Machine(family, off=0.0))
        sure = family.within(latency_ms=budget)
        assert chosen is not None and full_toy.accuracy(chosen) >= sure.accuracy
        better += full_toy.accuracy(chosen) > sure.accuracy
    assert better >= 6


def test_who_fails_the_second_time_gives_way_to_the_next(full_toy: Toy) -> None:
    family, budget = full_toy.family, budget_of(full_toy, 0.5)
    first: list[Architecture] = []

    def timer(architectures: Sequence[Architecture]) -> list[float]:
        costs = [0.97 * family.costs["latency_ms"].of(one) for one in architectures]
        if first:
            # Whoever comes first in the second process is the best of those that met the budget in the first.
            first.append(architectures[0])
            costs[0] *= 1.2
        else:
            first.extend(architectures[:1])
        return costs

    trial = Trial(family, Asked({"latency_ms": budget}, 0.95, True), 0.05, timer)
    assert trial.guard == GUARD
    chosen = trial.best(budget)
    assert chosen is not None and chosen != first[1]
    assert trial.took[first[1]] > budget and trial.took[chosen] <= budget / (1 + GUARD)


def test_a_machine_on_which_nothing_does(full_toy: Toy) -> None:
    family = full_toy.family
    assert found(family, family.costs["latency_ms"].lowest, Machine(family, 3.0)) is None


class Here:
    """The machine at hand, in place of processes that measure."""

    def __init__(self, patch: pytest.MonkeyPatch, machine: Machine, pace: Pace) -> None:
        patch.setattr(timing_candidates, "pace_now", lambda *_: pace)
        patch.setattr(
            timing_candidates,
            "timed",
            lambda members, **_: [Timing(ms, 0.01) for ms in machine([m.architecture for m in members])],
        )


def test_the_answer_says_what_was_measured(full_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    family, budget = with_errors(full_toy.family), budget_of(full_toy, 0.5)
    machine = Machine(family)
    Here(monkeypatch, machine, Pace((1.0,) * 6))
    member = family.within(latency_ms=budget, measured=True)
    assert member.measured_ms == member.latency_ms <= budget and member.latency_from == "measured"
    assert member.promise.predicted_ms == family.costs["latency_ms"].of(member.architecture)
    value = member.to_json()
    assert value["promise"]["measured_ms"] == value["latency_ms"] == member.measured_ms
    assert value["provenance"]["latency_ms"] == "measured"


def test_other_budgets_hold_too(full_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    family = full_toy.family
    Here(monkeypatch, Machine(family), Pace((1.0,) * 6))
    params = 0.5 * (family.costs["parameters"].lowest + family.costs["parameters"].highest)
    member = family.within(latency_ms=budget_of(full_toy, 0.8), params=params, measured=True)
    assert member.parameters <= params
    with pytest.raises(UsageError, match="out of reach"):
        family.within(latency_ms=budget_of(full_toy, 0.8), params=1, measured=True)


def test_a_drifted_machine_is_told_and_still_answered(full_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    family, budget = full_toy.family, budget_of(full_toy, 0.5, 1.3)
    Here(monkeypatch, Machine(family, 1.3), Pace((1.29, 1.3, 1.31) * 2))
    with pytest.warns(Drifted, match=r"take 1\.30 times .*--recalibrate"):
        member = family.within(latency_ms=budget, measured=True)
    assert member.measured_ms <= budget


def test_a_table_of_another_machine_is_told(full_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    table = replace(full_toy.family.table, runtime={**full_toy.family.table.runtime, "cpu": "Some Other 3000"})
    family, budget = replace(full_toy.family, table=table), budget_of(full_toy, 0.5, 1.3)
    Here(monkeypatch, Machine(family, 1.3), Pace((1.3,) * 6))
    with pytest.warns(OtherConditions, match=r"is from Some Other 3000, but this machine is") as told:
        family.within(latency_ms=budget, measured=True)
    assert not any(one.category is Drifted for one in told)


def test_none_that_meets_it_is_an_error_with_the_fastest(full_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    family = full_toy.family
    Here(monkeypatch, Machine(family, 3.0), Pace(()))
    with pytest.raises(UsageError, match=r"none of \d+ candidates timed here .* the fastest took") as error:
        family.within(latency_ms=family.costs["latency_ms"].lowest * 2, measured=True)
    (fastest,) = re.findall(r"fastest took ([\d.]+) ms", str(error.value))
    assert float(fastest) > family.costs["latency_ms"].lowest * 2


def test_a_machine_faster_than_its_table_meets_what_the_table_calls_out_of_reach(
    full_toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = full_toy.family
    budget = 0.8 * family.costs["latency_ms"].lowest
    Here(monkeypatch, Machine(family, 0.6), Pace((0.6,) * 6))
    with pytest.raises(UsageError, match="out of reach"):
        family.within(latency_ms=budget)
    with pytest.warns(Drifted):
        assert family.within(latency_ms=budget, measured=True).measured_ms <= budget
    for nothing in (0.0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="out of reach"):
            family.within(latency_ms=nothing, measured=True)


def test_budgets_that_exclude_each_other(full_toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest network has no convolution, and takes longer than the fastest."""
    family, costs = full_toy.family, full_toy.family.costs
    Here(monkeypatch, Machine(family), Pace(()))
    monkeypatch.setattr(type(family.chooser), "pool", lambda *_: [])
    with pytest.raises(UsageError, match=r"no architecture meets .* ms and .* parameters at once"):
        family.within(latency_ms=costs["latency_ms"].lowest, params=costs["parameters"].lowest, measured=True)


def test_on_a_busy_machine_more_is_kept(full_toy: Toy) -> None:
    """As much as its processes turn out to be apart."""
    family, budget, kept = full_toy.family, budget_of(full_toy, 0.5), []
    for noise in (0.001, 0.05):
        trial = Trial(family, Asked({"latency_ms": budget}, 0.95, True), 0.05, Machine(family, noise=noise))
        chosen = trial.best(budget)
        assert chosen is not None and trial.took[chosen] <= budget / (1 + trial.guard)
        kept.append(trial.guard)
    assert kept[0] == GUARD < kept[1] < 0.2
