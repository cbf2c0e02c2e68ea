"""Which parts are measured: all of few, and of many the corners of each family and a spread."""

from __future__ import annotations

import itertools

import pytest
from torch import nn

from archdial.cost.making import design
from archdial.cost.making.design import LARGE, MANY, families
from archdial.networks.supernet import Part
from tests.cost.making.sized import grid

WIDTHS = range(16, 129, 16)


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(design, "MANY", 12)


def test_what_is_left_is_no_more_than_it_was() -> None:
    assert MANY >= 100 and LARGE >= 9


def test_of_few_parts_all_are_measured() -> None:
    assert families(grid("conv", range(1, 4), range(1, 5))) == []


def test_small_families_and_what_has_none_are_measured_whole() -> None:
    alone = [Part(f"alone/{number}", nn.Identity(), (1,)) for number in range(12)]
    small = grid("small", range(1, 4), range(1, 4))
    # A size of nothing is on no scale of ratios.
    empty = grid("empty", range(4), range(4))
    assert families([*alone, *small, *(part for part in empty if 0 in part.sizes)]) == []


def test_corners_come_first_and_the_rest_is_spread() -> None:
    parts = grid("conv", WIDTHS, WIDTHS)
    (family,) = families(parts)
    assert sorted(part.key for part in family.members) == sorted(part.key for part in parts)
    assert family.corners == 4 and family.measured == 16 and len(family.left) == 48
    assert {part.sizes for part in family.members[:4]} == set(itertools.product((16.0, 128.0), repeat=2))
    chosen = family.sizes[: family.measured]
    for column in range(2):
        assert len(set(chosen[:, column])) >= 4
    for place in family.sizes[family.measured :]:
        assert min(abs(chosen - place).max(1)) <= 32


def test_parts_of_one_family_need_not_be_on_a_grid() -> None:
    parts = [
        Part(f"norm/{n}", nn.Identity(), (1,), family="norm", sizes=(float(n),)) for n in (3, 64, 10, *range(70, 90))
    ]
    (family,) = families(parts)
    assert [part.sizes for part in family.members[:2]] == [(3.0,), (89.0,)] and family.measured == 10


def test_equal_sizes_are_borne() -> None:
    parts = [Part(f"same/{n}", nn.Identity(), (1,), family="same", sizes=(8.0, 8.0)) for n in range(20)]
    (family,) = families(parts)
    assert family.corners == 1 and len({part.key for part in family.members}) == 20


def test_a_family_is_of_as_many_sizes() -> None:
    parts = grid("conv", WIDTHS, WIDTHS)
    other = [Part(f"conv/{n}", nn.Identity(), (1,), family="conv", sizes=(float(n),)) for n in range(1, 12)]
    assert sorted(len(family.members) for family in families([*parts, *other])) == [11, 64]


def test_a_key_is_what_counts() -> None:
    one, other = grid("conv", [8], [8])[0], Part("conv/8x8", nn.Identity(), (1,))
    assert one == other and other.family == "" and other.sizes == ()
