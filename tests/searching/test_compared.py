"""The dial's gradient from the difference of two paths: right in the mean, for any dial, resumable like all steps."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from archdial import OperationSimplex
from archdial.common.errors import UsageError
from archdial.cost.table.table import CostTable
from archdial.dial import Dial, LogPower
from archdial.searching.loop import Loop
from archdial.searching.state import SearchState, begin
from archdial.searching.steps.compared import TrainCompared, _path, pulled
from archdial.searching.steps.plans import make_plan
from archdial.searching.steps.weights import loss_on
from tests.networks.examples import counted_table
from tests.searching.job import small_data, small_network, small_settings

pytestmark = pytest.mark.usefixtures("short_lessons")
SETTINGS = replace(small_settings("single_level"), gradient="compared", epochs=2)


@pytest.fixture(scope="module")
def table() -> CostTable:
    return counted_table(small_network())


def test_the_mean_of_the_pull_is_the_gradient_of_the_expected_loss() -> None:
    logits = torch.tensor([[0.5, -0.3, 0.1], [-0.2, 0.4, -torch.inf]], requires_grad=True)
    losses = torch.tensor([[0.2, 1.0, 0.4], [0.7, 0.1, 0.0]])
    both = torch.softmax(logits, -1)
    # Not linear in the options: a product of both choices.
    table = losses[0][:, None] + losses[1][None] + torch.outer(losses[0], losses[1])
    (expected,) = torch.autograd.grad((both[0][:, None] * both[1][None] * table).sum(), logits)
    generator, total = torch.Generator().manual_seed(0), torch.zeros_like(logits)
    for _ in range(4000):
        drawn = [_path(logits, generator) for _ in range(2)]
        taken = [path.argmax(-1).tolist() for path, _ in drawn]
        gap = table[tuple(taken[0])] - table[tuple(taken[1])]
        total += torch.autograd.grad(pulled(gap, drawn[0][1], drawn[1][1]), logits)[0]
    torch.testing.assert_close(total / 4000, expected, atol=0.02, rtol=0)
    assert expected.abs().max() > 0.1


def test_the_step_moves_the_dial_towards_the_better_path(table: CostTable, monkeypatch: pytest.MonkeyPatch) -> None:
    state = begin(small_network(), small_data(), table, OperationSimplex(strength=1e-6), SETTINGS, 0)
    step = TrainCompared(state)
    losses: list[float] = []

    drawn: list[Tensor] = []

    def judged(state: SearchState, inputs: Any, batch: Any, weights: Tensor) -> Tensor:
        # The second path is the worse one, whatever they are.
        drawn.append(weights)
        losses.append(float(len(losses) % 2))
        return loss_on(state, inputs, batch, weights) * 0 + losses[-1]

    monkeypatch.setattr("archdial.searching.steps.compared.loss_on", judged)
    features = state.dial.encode(state.dial.grid(1))
    before = state.hypernet(features)[0].log_softmax(-1)
    batch = next(iter(step.batches(state, torch.Generator().manual_seed(0), 0)))
    figures = step(state, batch, 0.9)
    after = state.hypernet(features)[0].log_softmax(-1)
    better, worse = drawn
    assert losses == [0.0, 1.0] and figures["task"] == 0.0
    differ = (better != worse).any(-1)
    moved = (after - before).nan_to_num()
    assert differ.any()
    assert (moved * (better - worse))[differ].sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("dial", [OperationSimplex(), OperationSimplex(balanced=False), LogPower()], ids=str)
def test_any_dial_goes_through_and_a_seed_fixes_it(dial: Dial, table: CostTable) -> None:
    def found() -> Tensor:
        state = Loop(begin(small_network(), small_data(), table, dial, SETTINGS, 3)).run()
        return torch.cat([p.detach().flatten() for p in state.hypernet.parameters()])

    first = found()
    assert first.isfinite().all() and first.equal(found())


def test_only_the_single_level_method_compares_and_not_with_smoothing(table: CostTable) -> None:
    with pytest.raises(UsageError, match=r"search\.gradient applies to method single_level, not bilevel"):
        replace(small_settings("bilevel"), gradient="compared")
    with pytest.raises(UsageError, match=r"smoothing = 0\.3 requires search\.gradient relaxed"):
        replace(SETTINGS, smoothing=0.3)
    state = SimpleNamespace(settings=SETTINGS, frozen=False, network=small_network())
    kinds = [type(phase.step) for phase in make_plan(state)]  # type: ignore[arg-type]
    assert TrainCompared in kinds
