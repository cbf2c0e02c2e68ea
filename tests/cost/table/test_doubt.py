"""A table by which nobody should promise milliseconds says so."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest

from archdial.common.errors import DoubtfulTable
from archdial.cost.table.fit import Agreement, Fit
from archdial.cost.table.terms import CostPart
from tests.toy import Toy

PARTS = {"conv": CostPart("conv", 0.1, 0.0)}


def fit(error: float) -> Fit:
    agreement = Agreement(error, 0.5, 0.5)
    return Fit(0.0, 0.0, {}, {}, {}, 12, held_out=agreement, plain=agreement)


def test_doubts(toy: Toy) -> None:
    table = toy.family.table
    assert table.doubt == "" and replace(table, parts=PARTS, fit=fit(0.1)).doubt == ""
    assert replace(table, parts=PARTS).doubt == "is a plain sum of parts, not validated on any whole network"
    missed = replace(table, parts=PARTS, fit=fit(0.312)).doubt
    assert missed == "mispredicts held-out whole networks by 31% on average"


def test_milliseconds_by_a_doubtful_table_are_warned_of(toy: Toy) -> None:
    doubtful = replace(toy.family, table=replace(toy.family.table, parts=PARTS))
    with pytest.warns(DoubtfulTable, match="by which milliseconds are told, is a plain sum of parts.*--check"):
        doubtful.within(latency_ms=10.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtfulTable)
        doubtful.within(params=10**9)
        toy.family.within(latency_ms=10.0)
