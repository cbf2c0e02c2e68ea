"""What weights are tuned for in turns: the front, evenly by budget; and that it is all evaluated anew."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
import torch

from archdial import Scalar
from archdial.searching.candidates import front
from archdial.searching.evaluation import Evaluated
from archdial.searching.state import SearchState, begin
from archdial.searching.steps.evaluate import Renew
from archdial.searching.steps.tune import TuneWeights
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import counted_table, drawn
from tests.searching.job import small_data, small_network, small_settings


@pytest.fixture
def state() -> SearchState:
    network = small_network(nodes=2)
    state = begin(network, small_data(), counted_table(network), Scalar(), small_settings("predictor"), 0)
    architectures = sorted({*drawn(state.network.space, 20), *state.cost.extremes()}, key=state.cost.of)
    # Dearer is better, but for every third, which is none of the front.
    state.archive = [
        Evaluated(a, 0.1 if number % 3 == 1 else 0.2 + 0.01 * number, 1.0, ACCURACY)
        for number, a in enumerate(architectures)
    ]
    return state


@pytest.mark.slow
def test_each_member_of_the_front_is_drawn_for_the_budgets_at_which_it_is_best(state: SearchState) -> None:
    step, members = TuneWeights(state), front(state.archive, state.cost)
    assert 4 < len(members) < len(state.archive)
    step.batches(state, torch.Generator(), 0)
    count = 4000
    seen = Counter(step.draw(state) for _ in range(count))
    costs = [state.cost.of(item.architecture) for item in members]
    span = state.cost.highest - state.cost.lowest
    for item, cost, following in zip(members, costs, [*costs[1:], state.cost.highest], strict=True):
        share = (following - cost) / span
        assert abs(seen[item.architecture] / count - share) < 5 * (share * (1 - share) / count) ** 0.5 + 1e-9
    assert set(seen) <= {item.architecture for item in members}


@pytest.mark.slow
def test_by_octaves_each_doubling_of_the_budget_is_drawn_as_often(state: SearchState) -> None:
    state.settings = replace(state.settings, regime="tuned", turns=1, epochs=2, budgets="octaves")
    step, members = TuneWeights(state), front(state.archive, state.cost)
    step.batches(state, torch.Generator(), 0)
    count = 4000
    seen = Counter(step.draw(state) for _ in range(count))
    costs = [state.cost.of(item.architecture) for item in members]
    octaves = math.log(state.cost.highest / state.cost.lowest)
    for item, cost, following in zip(members, costs, [*costs[1:], state.cost.highest], strict=True):
        share = math.log(following / cost) / octaves
        assert abs(seen[item.architecture] / count - share) < 5 * (share * (1 - share) / count) ** 0.5 + 1e-9


@pytest.mark.slow
def test_the_whole_front_is_evaluated_anew(state: SearchState) -> None:
    before = [item.architecture for item in front(state.archive, state.cost)]
    assert len(before) > state.settings.sample // 2
    proposed = Renew(errors=True).propose(state)
    assert not state.archive and set(before) <= set(proposed)
    assert len(proposed) == len(set(proposed)) <= max(state.settings.sample, len(before))
