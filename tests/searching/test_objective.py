"""The objective and the entropy."""

from __future__ import annotations

import math

import pytest
import torch

from archdial.cost.pricing.expected import ExpectedCost
from archdial.dial import Scalar
from archdial.searching.objective import entropy, objective
from tests.networks.examples import counted_table, drawn, tiny


def test_objective_is_task_loss_and_penalty() -> None:
    network = tiny()
    cost = ExpectedCost(network.space, counted_table(network))
    weights, positions = network.space.one_hots(drawn(network.space, 3)), torch.tensor([[0.5], [1.0], [2.0]])
    penalty = positions.squeeze(1) * cost.fraction(weights)
    for task in (torch.tensor(0.7), torch.tensor([0.1, 0.2, 0.3])):
        found = objective(task, Scalar(), positions, weights, cost)
        assert found.shape == (3,)
        torch.testing.assert_close(found, task + penalty)


def test_entropy_by_hand() -> None:
    uniform = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -torch.inf], [0.0, -torch.inf, -torch.inf]])
    assert float(entropy(uniform)) == pytest.approx((math.log(3) + math.log(2)) / 3)
    assert float(entropy(torch.tensor([[100.0, 0.0], [0.0, 200.0]]))) == pytest.approx(0.0, abs=1e-6)


def test_gradient_of_the_entropy_is_finite_with_missing_options() -> None:
    logits = torch.tensor([[1.0, 0.0, 0.5], [0.3, 0.0, 0.0]], requires_grad=True)
    missing = torch.tensor([[False, False, False], [False, False, True]])
    entropy(logits.masked_fill(missing, -torch.inf)).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad[1, 2] == 0.0
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1], "more entropy is nearer to uniform"
