"""The knapsack against trying everything."""

from __future__ import annotations

import itertools

import numpy
import pytest
import torch

from archdial.comparing.baselines.packing import packed
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.space import Architecture, Choice, Space

NAMES = ("keep", "half", "drop")
SPACE = Space(tuple(Choice(name, NAMES[:size], ("k",) * size) for name, size in zip("abcd", (3, 3, 2, 3), strict=True)))
EVERY = [Architecture(o) for o in itertools.product(*(range(len(c.options)) for c in SPACE.choices))]


def cost(seed: int) -> ExpectedCost:
    generator = torch.Generator().manual_seed(seed)

    def price() -> float:
        return round(float(torch.rand((), generator=generator)), 3)

    def entry(*options: str) -> CostEntry:
        return CostEntry(options, price(), 0.0, 1, 1, 1)

    single = [CostTerm((c.name,), tuple(entry(o) for o in c.options)) for c in SPACE.choices]
    joint = [
        CostTerm(("a", "b"), (entry("keep", "keep"), entry("half", "keep"))),
        CostTerm(("a", "c", "d"), (entry("keep", "keep|half", "keep|half"),)),
    ]
    runtime = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
    return ExpectedCost(SPACE, CostTable(SPACE.fingerprint, runtime, (CostTerm((), (entry(),)), *single, *joint)))


def total(harm: numpy.ndarray, architecture: Architecture) -> float:
    return float(sum(harm[row, option] for row, option in enumerate(architecture.options)))


@pytest.mark.parametrize("seed", range(4))
def test_is_the_best_of_all_within_each_budget(seed: int) -> None:
    price = cost(seed)
    harm = numpy.random.default_rng(seed).normal(size=SPACE.shape)
    for limit in numpy.linspace(price.lowest, price.highest, 7):
        within = [a for a in EVERY if price.of(a) <= limit + 1e-9]
        found = packed(SPACE, price, harm, float(limit) + 1e-9)
        assert found is not None and price.of(found) <= limit + 1e-6
        assert total(harm, found) == pytest.approx(min(total(harm, a) for a in within))


def test_there_is_none_within_less_than_the_least() -> None:
    price = cost(0)
    assert packed(SPACE, price, numpy.zeros(SPACE.shape), price.lowest - 0.01) is None
