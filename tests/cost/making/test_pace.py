"""The pace of a machine beside that of its table: told where it drifted, and a table scaled to it."""

from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace
from typing import Any

import pytest

from archdial.common.errors import Drifted, UsageError
from archdial.cost.making.checking import check
from archdial.cost.making.pace import Pace, pace_now, ratios, references, warn_drift
from archdial.cost.making.profiling import profile
from archdial.cost.making.recalibrating import recalibrated
from archdial.cost.measuring import isolation
from archdial.cost.measuring.timing import Timing
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table import machine
from archdial.cost.table.fit import FEWEST
from archdial.cost.table.table import CostTable
from tests.cost.examples import Toy, architectures

HERE = {"device": "cpu", "cpu": machine.processor()}


class Clock:
    """In place of the process that measures: a whole network takes 2 ms and more by its layers, all at one pace."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.pace = 1.0
        self.counted: list[int] = []
        patch.setattr(isolation, "timings", self)

    def __call__(self, runtime: Any, subjects: Any, *, count: int, repeats: int, progress: Any = None) -> list[Timing]:
        sent = list(subjects)
        self.counted.append(count)
        return [Timing(self.pace * self.took(name, converted), 0.01) for name, converted in sent]

    @staticmethod
    def took(name: str, converted: Any) -> float:
        if not name.startswith("network"):
            return 0.1 if name == "launch" else {"stem": 0.5, "conv": 0.8, "pool": 0.4}[name]
        layers = [type(layer).__name__ for layer in converted[0].modules()]
        return 2.0 + layers.count("Conv2d") + 0.3 * layers.count("AvgPool2d")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def made() -> CostTable:
    return profile(Toy(), networks=12)


def test_the_ratio_is_that_of_the_middle() -> None:
    assert Pace((1.0, 1.2, 5.0)).ratio == 1.2
    assert Pace(()).ratio == 1.0 and not Pace(()).drifted and not Pace((2.0,)).drifted
    assert Pace(()).to_json() == {"pace": 1.0, "noise": None, "networks": 0, "drifted": False}


@pytest.mark.parametrize(
    ("drift", "noise", "drifted"),
    [(1.0, 0.01, False), (1.04, 0.001, False), (1.2, 0.01, True), (0.8, 0.01, True), (1.07, 0.3, False)],
)
def test_only_more_than_noise_explains_is_drift(drift: float, noise: float, drifted: bool) -> None:
    dice = random.Random(0)
    found = Pace(tuple(drift * math.exp(dice.gauss(0, noise)) for _ in range(10)))
    assert found.drifted == drifted


def test_a_quiet_machine_is_rarely_told_to_have_drifted() -> None:
    dice = random.Random(1)
    trials = [Pace(tuple(math.exp(dice.gauss(0, 0.08)) for _ in range(10))) for _ in range(400)]
    assert sum(one.drifted for one in trials) / len(trials) <= 0.1


def test_the_noise_is_half_an_interval_of_students_t() -> None:
    from scipy import stats

    values = (0.97, 1.0, 1.02, 1.05, 0.99, 1.01)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=0.0, scale=stats.sem([math.log(value) for value in values]))
    assert Pace(values).noise == pytest.approx((high - low) / 2)


def test_networks_that_drift_apart_are_not_mended_by_a_factor() -> None:
    assert not Pace((1.2,) * 10).uneven and not Pace((1.0, 2.0)).uneven
    assert Pace((1.0,) * 5 + (1.4,) * 5).uneven


def test_references_go_from_the_fastest_to_the_slowest(clock: Clock) -> None:
    table, space = made(), Toy().space
    times = sorted({network.latency_ms for network in table.networks})
    found = references(space, table, 4)
    assert list(found.values()) == sorted(found.values()) and len(found) == 4
    assert next(iter(found.values())) == times[0] and list(found.values())[-1] == times[-1]
    assert len(references(space, table, 100)) == len({str(network.architecture) for network in table.networks})
    assert references(space, table.without_fit()) == {}


def test_a_few_networks_tell_the_pace(clock: Clock) -> None:
    table = made()
    clock.pace = 1.25
    found = pace_now(Toy(), table, 6)
    assert found.ratios == pytest.approx((1.25,) * 6) and found.drifted
    assert clock.counted[-1] == 6
    assert pace_now(Toy(), table.without_fit()) == Pace(())
    assert ratios([2.0, 0.0], [1.0, 1.0]) == (2.0,)


def test_drift_is_told_of_this_machine_alone() -> None:
    with pytest.warns(Drifted, match=r"take 1\.30 times as long as the cost table says \(6 of its own.*; do this"):
        warn_drift(Pace((1.29, 1.3, 1.31) * 2), HERE, "do this")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_drift(Pace((1.3,) * 6), {**HERE, "cpu": "Some Other 3000"}, "do this")
        warn_drift(Pace((1.01,) * 6), HERE, "do this")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ({"device": "cpu"}, ""),
        (HERE, ""),
        ({"device": "cpu", "cpu": "Some Other 3000"}, "Some Other 3000"),
        ({"device": "cuda", "device_name": "Some GPU", "cpu": machine.processor()}, "Some GPU"),
    ],
)
def test_which_machine_a_table_is_of(header: dict[str, str], told: str) -> None:
    assert machine.elsewhere(header) == told


def test_a_check_tells_of_drift(clock: Clock) -> None:
    table = made()
    clock.pace = 0.7
    with pytest.warns(Drifted, match=r"take 0\.70 times.*--recalibrate"):
        assert check(Toy(), table, 3).pace == pytest.approx(0.7)


def test_a_recalibrated_table_is_the_same_at_another_pace(clock: Clock) -> None:
    network, table = Toy(), made()
    clock.pace = 1.25
    found, pace = recalibrated(network, table)
    assert pace.ratio == pytest.approx(1.25)
    old, new = (ExpectedCost(network.space, one) for one in (table, found))
    for architecture in architectures(network.space):
        assert new.of(architecture) == pytest.approx(1.25 * old.of(architecture))
    for column in ("parameters", "flops"):
        assert ExpectedCost(network.space, found, column).highest == ExpectedCost(network.space, table, column).highest
    # Its own networks, its fit and its errors go together as before.
    assert CostTable.from_json(found.to_json()) == found
    assert found.fit is not None and table.fit is not None and found.fit.residuals == table.fit.residuals
    assert found.runtime["recalibrated"]["networks"] == len(pace.ratios) == FEWEST
    # What it was measured under stays, and at that pace it has not drifted.
    assert {**found.runtime, "recalibrated": None} == {**table.runtime, "recalibrated": None}
    assert pace_now(network, found).ratio == pytest.approx(1.0)


def test_recalibrating_twice_adds_up(clock: Clock) -> None:
    network, table = Toy(), made()
    clock.pace = 1.25
    once, _ = recalibrated(network, table)
    clock.pace = 2.0
    twice, pace = recalibrated(network, once)
    assert pace.ratio == pytest.approx(1.6)
    assert twice.runtime["recalibrated"]["ratio"] == pytest.approx(2.0)
    assert ExpectedCost(network.space, twice).highest == pytest.approx(2 * ExpectedCost(network.space, table).highest)


def test_what_cannot_be_recalibrated(clock: Clock) -> None:
    network, table = Toy(), made()
    with pytest.raises(UsageError, match="has no whole networks to re-time: profile again"):
        recalibrated(network, table.without_fit())
    other = replace(table, runtime={**table.runtime, "cpu": "Some Other 3000"})
    with pytest.raises(UsageError, match=r"is from Some Other 3000, and this machine is .*recalibrate it there"):
        recalibrated(network, other)
