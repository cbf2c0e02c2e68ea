"""One search for several devices, and devices that are added later: each is answered by its own milliseconds."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import pytest
import torch

from archdial import OperationSimplex, Scalar, UsageError, add_device, redial, search
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.fingerprint import Fingerprint
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry
from archdial.families import redialling
from archdial.families.family import Family
from archdial.families.storage import load_family, save_family
from archdial.searching.dialling import DialTrainer
from archdial.searching.loop import Loop
from archdial.searching.state import begin
from archdial.training.step import Place
from tests.networks.examples import counted_table
from tests.searching.job import small_data, small_network, small_settings
from tests.toy import Toy


def priced(table: CostTable, factors: dict[str, float], all_of: float = 1.0) -> CostTable:
    """The table of a device on which some options take `factors` times as long."""

    def entry(one: CostEntry) -> CostEntry:
        factor = all_of
        for option in one.options:
            factor *= factors.get(option, 1.0)
        return dataclasses.replace(one, latency_ms=one.latency_ms * factor)

    terms = tuple(dataclasses.replace(term, entries=tuple(map(entry, term.entries))) for term in table.terms)
    return dataclasses.replace(table, terms=terms)


CONVOLVES, POOLS, BOTH = "convolves", "pools", "both"


@pytest.fixture(scope="module")
def tables(full_toy: Toy) -> dict[str, CostTable]:
    """Two devices that disagree: what is dear on one is cheap on the other."""
    table = full_toy.family.table
    return {
        CONVOLVES: priced(table, {"max_pool_3x3": 40.0}),
        POOLS: priced(table, {"sep_conv_3x3": 4.0, "max_pool_3x3": 0.2}),
    }


@pytest.fixture(scope="module")
def both(full_toy: Toy, tables: dict[str, CostTable]) -> Family:
    with pytest.MonkeyPatch.context() as patch:
        # All devices are trained for anew once there is a second one.
        patch.setattr(redialling, "DialTrainer", partial(DialTrainer, steps=1))
        first = redial(full_toy.family, table=tables[CONVOLVES])
    return add_device(first, POOLS, tables[POOLS])


def regret(toy: Toy, family: Family, device: str) -> float:
    """How much accuracy the dial loses on average against the best architecture of the cost of its member."""
    own = dataclasses.replace(toy, family=family.on(device))
    members = own.family.along(12)
    lost = [own.best(latency_ms=m.latency_ms) - Toy.accuracy(m.architecture) for m in members]
    return sum(lost) / len(lost)


@pytest.mark.slow
def test_each_device_has_a_dial_of_its_own(full_toy: Toy, both: Family) -> None:
    for device in ("first", POOLS):
        assert regret(full_toy, both, device) < 0.02
    # On the other device's members the same money buys less: the code of the device matters.
    ours = [member.architecture for member in both.on("first").along(12)]
    assert ours != [member.architecture for member in both.on(POOLS).along(12)]


@pytest.mark.slow
def test_redial_takes_the_tables_of_several_devices_at_once(full_toy: Toy, tables: dict[str, CostTable]) -> None:
    family = redial(full_toy.family, table=tables)
    assert family.devices is not None and list(family.devices.each) == [CONVOLVES, POOLS]
    assert family.device == CONVOLVES
    for device in tables:
        assert regret(full_toy, family, device) < 0.02


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_others_in_their_place_leave_none_of_the_old_ones(full_toy: Toy, both: Family) -> None:
    others = redial(both, table={BOTH: full_toy.family.table})
    assert others.devices is not None and list(others.devices.each) == [BOTH]


@pytest.mark.slow
def test_within_asks_by_the_milliseconds_of_the_device(both: Family, tables: dict[str, CostTable]) -> None:
    costs = both.on(POOLS).costs["latency_ms"]
    limit = (costs.lowest + costs.highest) / 2
    member = both.within(latency_ms=limit, device=POOLS)
    assert member.latency_ms <= limit and member.latency_ms == pytest.approx(costs.of(member.architecture))
    assert member.to_json()["device"] == POOLS
    assert both.at(both.on(POOLS).dial.value(both.on(POOLS).dial.grid(2)[0]), device=POOLS).family.device == POOLS
    with pytest.raises(UsageError, match="unknown device 'toaster'"):
        both.within(latency_ms=1, device="toaster")
    with pytest.raises(UsageError, match="one device"):
        dataclasses.replace(both, device=None, devices=None).within(latency_ms=1, device=POOLS)


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_adding_a_device_leaves_the_rest_alone(full_toy: Toy, tables: dict[str, CostTable]) -> None:
    family = full_toy.family
    before = {name: tensor.clone() for name, tensor in family.network.state_dict().items()}
    along = [member.architecture for member in family.along(12)]
    added = add_device(family, POOLS, tables[POOLS])
    assert added.device == POOLS and list(added.devices.each) == ["first", POOLS]  # type: ignore[union-attr]
    assert all(value.equal(before[name]) for name, value in added.network.state_dict().items())
    assert added.archive == family.archive and family.devices is None
    assert [member.architecture for member in family.along(12)] == along


@pytest.mark.slow
def test_without_training_a_device_is_taken_for_what_it_is_like(
    full_toy: Toy, both: Family, tables: dict[str, CostTable]
) -> None:
    # The same device at half the pace: the code is the same, so is the family; its milliseconds are its own.
    slow = priced(tables[POOLS], {}, all_of=2.0)
    twin = add_device(both, "slow", slow, retrain=False)
    ours, theirs = twin.along(12), both.on(POOLS).along(12)
    assert [m.architecture for m in ours] == [m.architecture for m in theirs]
    assert [m.latency_ms for m in ours] == pytest.approx([2 * m.latency_ms for m in theirs])
    middle = add_device(both, "between", priced(full_toy.family.table, {"sep_conv_3x3": 2.0}), retrain=False)
    assert regret(full_toy, middle, "between") < 0.05
    # Nothing changes for the others.
    assert [m.architecture for m in twin.on(POOLS).along(12)] == [m.architecture for m in theirs]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", " ", POOLS])
def test_names_must_be_new(both: Family, tables: dict[str, CostTable], name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        add_device(both, name, tables[POOLS])


def test_alone_a_device_cannot_be_recognised(full_toy: Toy, tables: dict[str, CostTable]) -> None:
    with pytest.raises(UsageError, match="retrain"):
        add_device(full_toy.family, POOLS, tables[POOLS], retrain=False)


def test_a_table_of_another_space_is_refused(full_toy: Toy, tables: dict[str, CostTable]) -> None:
    with pytest.raises(UsageError, match="another space"):
        add_device(full_toy.family, POOLS, dataclasses.replace(tables[POOLS], space="0" * 16))


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_a_hypernetwork_of_one_feature_gives_way(full_toy: Toy, tables: dict[str, CostTable]) -> None:
    from archdial.searching.state import hypernet_for

    family = full_toy.family
    one = dataclasses.replace(family, hypernet=hypernet_for(family.dial, family.network, {"kind": "piecewise_linear"}))
    assert add_device(one, POOLS, tables[POOLS]).shared_hypernet.kind == "mlp"


@pytest.mark.slow
def test_several_devices_travel(both: Family, tmp_path: Path) -> None:
    save_family(both, tmp_path)
    again = load_family(tmp_path)
    assert again.device == both.device == POOLS
    for device in ("first", POOLS):
        ours, theirs = both.on(device), again.on(device)
        assert (ours.table, ours.dial) == (theirs.table, theirs.dial)
        assert [m.architecture for m in ours.along(12)] == [m.architecture for m in theirs.along(12)]


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_another_dial_for_all_devices(both: Family) -> None:
    other = redial(both, OperationSimplex())
    assert other.device == POOLS and {other.on(name).dial.kind for name in ("first", POOLS)} == {"operation_simplex"}
    assert len(other.along(8)) >= 4


def small_tables() -> dict[str, CostTable]:
    table = counted_table(small_network())
    return {"laptop": table, "board": priced(table, {"sep_conv_3x3": 5.0})}


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
@pytest.mark.parametrize("method", ["predictor", "two_stage", "single_level"])
def test_a_search_for_several_devices(method: str) -> None:
    tables = small_tables()
    family = search(small_network(), small_data(), tables, Scalar(), small_settings(method))
    assert family.device == "laptop" and family.tables == tables
    for name, table in tables.items():
        view = family.on(name)
        assert view.table == table and view.dial.low < view.dial.high  # type: ignore[attr-defined]
        front = view.front()
        assert [m.latency_ms for m in front] == sorted(m.latency_ms for m in front)
    # Both ends of each device were evaluated; single_level forgets what it evaluated when its weights change.
    seen = {item.architecture for item in family.archive}
    ends = [end for name in tables for end in family.on(name).costs["latency_ms"].extremes()]
    assert method == "single_level" or all(family.network.canonical(end) in seen for end in ends)


def test_no_table_is_refused() -> None:
    with pytest.raises(UsageError, match="no cost table"):
        search(small_network(), small_data(), {}, Scalar(), small_settings("predictor"))


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_a_checkpoint_keeps_the_range_of_each_device(tmp_path: Path) -> None:
    from archdial.searching import checkpoint

    state = begin(small_network(), small_data(), small_tables(), Scalar(), small_settings("predictor"), 0)
    Loop(state, tmp_path).run()
    other = begin(small_network(), small_data(), small_tables(), Scalar(), small_settings("predictor"), 0)
    assert checkpoint.load(tmp_path / checkpoint.NAME, other) != Place()
    assert other.dial == state.dial
    position = state.dial.grid(4)
    with torch.no_grad():
        ours, theirs = (s.hypernet(s.dial.encode(position)) for s in (state, other))
    assert ours.equal(theirs)


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_a_table_is_renewed(both: Family, tables: dict[str, CostTable]) -> None:
    slow = priced(tables[POOLS], {}, all_of=2.0)
    renewed = add_device(both, POOLS, slow, renew=True)
    assert renewed.tables == {**both.tables, POOLS: slow}  # type: ignore[dict-item]


def test_what_measuring_alone_makes_differ_tells_no_device() -> None:
    network = small_network()
    table = counted_table(network)
    costs = [ExpectedCost(network.space, one) for one in (table, priced(table, {"sep_conv_3x3": 1.002}))]
    fingerprint = Fingerprint.across(network.space, costs)
    assert set(fingerprint.of(costs[0])) == set(fingerprint.of(costs[1])) == {0.5}
