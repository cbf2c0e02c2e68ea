"""Projection onto a budget, against what can be worked out by hand."""

from __future__ import annotations

import pytest
import torch

from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.dial import Budget, Constraint
from archdial.hypernet import make_hypernet
from archdial.searching.projection import TOLERANCE, project
from archdial.space import Choice, Space

SPACE = Space(tuple(Choice(name, ("cheap", "dear"), ("cheap", "dear")) for name in "abcd"))


def cost() -> ExpectedCost:
    prices = {"cheap": 0.0, "dear": 1.0}
    terms = (
        CostTerm((c.name,), tuple(CostEntry((o,), p, 0.0, 1, 1, 1) for o, p in prices.items())) for c in SPACE.choices
    )
    runtime = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
    return ExpectedCost(SPACE, CostTable(SPACE.fingerprint, runtime, tuple(terms)))


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.45])
def test_ends_on_the_budget_by_the_shortest_way(limit: float) -> None:
    hypernet = make_hypernet("constant", SPACE, 1)
    with torch.no_grad():
        for parameter in hypernet.parameters():
            parameter.zero_()
    project(Constraint(), hypernet, cost(), torch.tensor([[limit]]))
    (logits,) = hypernet(torch.zeros(1, 1))
    chance = logits.softmax(-1)[:, 1]
    # Half of all were dear. All choices are alike, so the shortest way moves all alike, and no further than needed.
    torch.testing.assert_close(chance, chance[:1].expand(4))
    assert limit - 0.02 < float(chance.detach().mean()) <= limit + TOLERANCE
    torch.testing.assert_close(logits.sum(-1), torch.zeros(4), atol=1e-6, rtol=0)


def test_what_keeps_its_budget_stays() -> None:
    for dial, limit in ((Constraint(), 0.6), (Budget(), 0.1)):
        hypernet = make_hypernet("mlp", SPACE, 1)
        before = {name: value.clone() for name, value in hypernet.state_dict().items()}
        with torch.no_grad():
            spent = float(cost().fraction(hypernet(torch.tensor([[limit]])).softmax(-1)))
        position = torch.tensor([[max(limit, spent) if dial.constrained else limit]])
        project(dial, hypernet, cost(), position)
        for name, value in hypernet.state_dict().items():
            torch.testing.assert_close(value, before[name])


def test_every_position_keeps_its_own_budget() -> None:
    torch.manual_seed(0)
    hypernet, limits = make_hypernet("mlp", SPACE, 1), torch.linspace(0.2, 0.9, 8).unsqueeze(1)
    for _ in range(10):
        project(Constraint(), hypernet, cost(), limits)
    spent = cost().fraction(hypernet(limits).softmax(-1))
    assert (spent <= limits.squeeze(1) + 2 * TOLERANCE).all()
