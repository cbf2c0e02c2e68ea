"""A family at another pace of its machine: other milliseconds, the same members; of several devices one alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archdial import UsageError, add_device, recalibrate
from archdial.cost.making import recalibrating
from archdial.cost.making.pace import Pace
from archdial.cost.table.terms import CostNetwork
from archdial.families.family import Family
from archdial.families.storage import load_family, save_family
from tests.toy import Toy


@pytest.fixture(autouse=True)
def slower(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that takes half as long again."""
    monkeypatch.setattr(recalibrating, "pace_now", lambda *_, **__: Pace((1.5,) * 10))


def measured(family: Family) -> Family:
    """Return the family with a table that holds whole networks."""
    one = family.archive[0].architecture
    network = CostNetwork(family.space.describe(one), family.costs["latency_ms"].of(one), 0.01)
    return replace(family, table=replace(family.table, networks=(network,)))


def test_milliseconds_change_and_members_do_not(toy: Toy) -> None:
    family = measured(toy.family)
    found = recalibrate(family)
    old, new = (one.costs["latency_ms"] for one in (family, found))
    assert (new.lowest, new.highest) == pytest.approx((1.5 * old.lowest, 1.5 * old.highest))
    for position in (0.01, 0.3, 10.0):
        assert found.at(position).architecture == family.at(position).architecture
        assert found.at(position).latency_ms == pytest.approx(1.5 * family.at(position).latency_ms)
    budget = (old.lowest + old.highest) / 2
    assert (
        found.within(latency_ms=1.5 * budget * (1 + 1e-9)).architecture == family.within(latency_ms=budget).architecture
    )
    assert found.network is family.network and family.table.networks[0].latency_ms * 1.5 == pytest.approx(
        found.table.networks[0].latency_ms
    )


def test_a_table_without_networks_tells_no_pace(toy: Toy) -> None:
    with pytest.raises(UsageError, match="has no whole networks to re-time"):
        recalibrate(toy.family)


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_of_several_devices_one_alone(toy: Toy, tmp_path: Path) -> None:
    family = measured(toy.family)
    both = add_device(family, "phone", family.table)
    found = recalibrate(both.on("phone"))
    assert found.device == "phone"
    old, new = both.costs["latency_ms"].highest, found.costs["latency_ms"].highest
    assert new == pytest.approx(1.5 * old)
    assert found.on("first").costs["latency_ms"].highest == pytest.approx(old)
    save_family(found.on("first"), tmp_path)
    loaded = load_family(tmp_path)
    assert loaded.device == "first" and loaded.on("phone").costs["latency_ms"].highest == pytest.approx(new)
    other = replace(found.table, runtime={**found.table.runtime, "cpu": "Some Other 3000"})
    with pytest.raises(UsageError, match=r"phone: the cost table is from Some Other 3000"):
        recalibrate(replace(found, table=other))
