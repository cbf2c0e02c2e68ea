"""Another dial or another table for a searched family: weights untouched, the answers those of the new dial."""

import dataclasses
from itertools import pairwise

import pytest

from archdial import Budget, OperationSimplex, Scalar, UsageError
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry
from archdial.families.family import Family
from archdial.families.redialling import redial
from archdial.searching.state import hypernet_for
from tests.toy import Toy


@pytest.fixture
def family(toy: Toy) -> Family:
    return toy.family


def dearer(table: CostTable, option: str) -> CostTable:
    def priced(entry: CostEntry) -> CostEntry:
        factor = 50.0 if entry.options == (option,) else 1.0
        return dataclasses.replace(entry, latency_ms=entry.latency_ms * factor)

    terms = tuple(dataclasses.replace(t, entries=tuple(map(priced, t.entries))) for t in table.terms)
    return dataclasses.replace(table, terms=terms)


@pytest.mark.slow
def test_another_table_changes_members_and_leaves_weights_and_old_family_alone(family: Family) -> None:
    before = [m.architecture for m in family.along(12)]
    weights = [p.detach().clone() for p in family.network.parameters()]
    option = family.space.choices[0].options[-1]
    other = redial(family, table=dearer(family.table, option))
    assert [m.architecture for m in family.along(12)] == before
    assert all(a.equal(b) for a, b in zip(weights, other.network.parameters(), strict=True))
    cheap, old = other.along(12)[-1], family.along(12)[-1]
    assert other.space.counts(cheap.architecture)[option] <= family.space.counts(old.architecture)[option]
    assert other.table != family.table


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
@pytest.mark.parametrize(
    ("dial", "hypernet"),
    [(OperationSimplex(), "mlp"), (OperationSimplex(), "kernel"), (Budget(), "linear"), (Scalar(), "piecewise_linear")],
)
def test_another_dial_answers_with_any_hypernetwork(family: Family, dial: Scalar, hypernet: str) -> None:
    chosen = dataclasses.replace(family, hypernet=hypernet_for(family.dial, family.network, {"kind": hypernet}))
    other = redial(chosen, dial)
    assert other.dial.kind == dial.kind and other.hypernet.kind == hypernet
    assert len(other.along(8)) >= 4


@pytest.mark.slow
def test_cost_never_grows_along_lambda(family: Family) -> None:
    costs = [member.latency_ms for member in redial(family, Scalar()).along(24)]
    assert sum(b > a * 1.0001 for a, b in pairwise(costs)) <= 1
    assert costs[-1] < costs[0]


def test_pivots_of_a_kernel_lie_on_the_simplex(family: Family) -> None:
    dial = OperationSimplex().fitted(family.space.kinds)
    pivots = hypernet_for(dial, family.network, {"kind": "kernel", "pivots": 7}).to_json()["pivots"]
    assert len(pivots) == 7  # type: ignore[arg-type]
    assert all(abs(sum(pivot) - 1) < 1e-5 for pivot in pivots)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.usefixtures("short_lesson")
def test_without_a_dial_a_plain_simplex_stays_one(family: Family) -> None:
    simplex = redial(family, OperationSimplex(balanced=False))
    again = redial(simplex)
    assert isinstance(again.dial, OperationSimplex) and not again.dial.balanced
    assert again.dial == simplex.dial


def test_a_table_of_another_space_is_refused(family: Family) -> None:
    with pytest.raises(UsageError, match="space"):
        redial(family, table=dataclasses.replace(family.table, space="0" * 16))
