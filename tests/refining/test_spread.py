"""Which members are trained: spread over the costs, both ends among them, and those of which least is known."""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import pytest

from archdial.families.chooser import GRID
from archdial.families.family import Family
from archdial.refining.features import inherited_logs
from archdial.refining.spread import spread
from archdial.space import Architecture
from tests.toy import Toy


@pytest.fixture
def family(toy: Toy) -> Family:
    return toy.family


def candidates(family: Family) -> set[Architecture]:
    return {member.architecture for member in [*family.front(), *family.along(GRID)]}


@pytest.mark.parametrize("count", [1, 2, 3, 8, 40])
def test_as_many_as_asked_for_cheapest_first(family: Family, count: int) -> None:
    found = spread(family, count)
    costs = [family.member(one).latency_ms for one in found]
    assert len(set(found)) == count and costs == sorted(costs)


@pytest.mark.parametrize("count", [3, 6, 12])
def test_both_ends_are_among_them(family: Family, count: int) -> None:
    found = spread(family, count)
    assert family.front()[-1].architecture in found
    assert family.along(GRID)[0].architecture in found
    cheapest = min(candidates(family), key=lambda one: family.member(one).latency_ms)
    assert family.member(found[0]).latency_ms == family.member(cheapest).latency_ms


def test_they_stand_all_over_the_range(family: Family) -> None:
    logs = [math.log(family.member(one).latency_ms) for one in spread(family, 12)]
    every = [math.log(family.member(one).latency_ms) for one in candidates(family)]
    widest = max(b - a for a, b in pairwise(logs))
    assert (logs[0], logs[-1]) == pytest.approx((min(every), max(every)))
    assert widest < (max(every) - min(every)) / 2


def test_what_nobody_is_sure_of_is_taken(family: Family) -> None:
    """One that the predictor saw at once far better than it was evaluated."""
    pool = sorted(candidates(family) - set(spread(family, 4)))
    known = {item.architecture: item for item in family.archive}
    odd = next(one for one in pool if one in known)
    archive = tuple(
        dataclasses.replace(item, score=item.score + 0.09) if item.architecture == odd else item
        for item in family.archive
    )
    doubted = dataclasses.replace(family, archive=archive)
    measured, predicted = inherited_logs(doubted, [odd])
    assert float((measured - predicted).abs()) > 0.2
    assert odd in spread(doubted, 8)


def test_what_was_trained_is_not_taken_again(family: Family) -> None:
    first = spread(family, 8)
    second = spread(family, 8, without=first)
    assert len(second) == 8 and not {*first} & {*second}


def test_no_more_than_there_are(family: Family) -> None:
    every = {item.architecture for item in family.archive} | candidates(family)
    assert set(spread(family, 10_000)) == every
    assert spread(family, 5, without=every) == []
