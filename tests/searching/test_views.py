"""What is known of architectures beside their inherited score, and what a search makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from archdial import Scalar, choices
from archdial.common.errors import UsageError
from archdial.common.metrics import kendall_tau
from archdial.cost.pricing.expected import ExpectedCost
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.searching import checkpoint
from archdial.searching.evaluation import Evaluated
from archdial.searching.loop import Loop
from archdial.searching.state import SearchState, begin
from archdial.searching.views import SIZE, Views, depth, examples
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY, Measure
from archdial.training.step import Place
from tests.networks.examples import counted_table, drawn, tiny
from tests.searching.job import small_data, small_network, small_settings

PROXIES = ("synflow", "naswot", "zen")


def begun() -> SearchState:
    network = small_network()
    return begin(network, small_data(), counted_table(network), Scalar(), small_settings("proxies"), 3)


@pytest.fixture(scope="module")
def looked() -> SearchState:
    """A search that looked at a dozen architectures and evaluated none."""
    state = begun()
    assert state.views is not None
    for architecture in dict.fromkeys(drawn(state.network.space, 12)):
        state.views.look(architecture, *state.shown, state.task)
    return state


def test_a_row_is_size_and_proxies_of_new_weights(looked: SearchState) -> None:
    views = looked.views
    assert views is not None
    assert views.names == ("flops", "parameters", "depth", *PROXIES)
    for architecture, row in views.rows.items():
        assert len(row) == len(views.names)
        for column, found in zip(SIZE[:2], row, strict=False):
            assert found == ExpectedCost(looked.network.space, looked.tables, column).of(architecture)


def test_a_row_hangs_on_seed_and_architecture_alone(looked: SearchState) -> None:
    other = begun()
    assert other.views is not None and looked.views is not None
    with torch.no_grad():
        for weight in other.network.parameters():
            weight.add_(1.0)
    torch.manual_seed(99)
    for architecture in reversed(looked.views.rows):
        before = torch.random.get_rng_state()
        other.views.look(architecture, *other.shown, other.task)
        assert torch.random.get_rng_state().equal(before)
    assert other.views.rows == looked.views.rows
    fresh = Views(other.network, other.tables, PROXIES, seed=4)
    first = next(iter(looked.views.rows))
    assert fresh.look(first, *other.shown, other.task) != looked.views.rows[first]


def test_depth_is_that_of_the_longest_path() -> None:
    network = NasBench201(Plan(cells=1, channels=4, image_size=(8, 8)))
    name = network.space.choices[0].options.index
    conv, skip, none = name("nor_conv_3x3"), name("skip_connect"), name("none")
    # Stem, head, and two layers in each of the two residual blocks.
    fixed = 6
    assert depth(network.build(network.space.uniform("skip_connect"))) == fixed
    assert depth(network.build(network.space.uniform("nor_conv_3x3"))) == fixed + 3 * 3
    assert depth(network.build(Architecture((none, none, none, conv, none, none)))) == fixed + 3
    assert depth(network.build(Architecture((conv, skip, skip, none, none, conv)))) == fixed + 3 * 2


def test_what_all_views_speak_for_is_told_in_scores_and_learned_from_the_sample(looked: SearchState) -> None:
    views = looked.views
    assert views is not None
    rows = views.rows
    # The inherited score: what synflow says, with one architecture that is praised for nothing.
    order = sorted(rows, key=lambda architecture: rows[architecture][3])
    scores = {architecture: 0.3 + 0.05 * place for place, architecture in enumerate(order)}
    scores[order[0]] = 0.95
    evaluated = [Evaluated(architecture, scores[architecture], 1.0, ACCURACY) for architecture in rows]
    judged = views.judged(evaluated, len(evaluated))
    assert [(item.architecture, item.score) for item in judged] == [
        (item.architecture, item.score) for item in evaluated
    ]
    assert sorted(item.believed for item in judged) == pytest.approx(sorted(scores.values()))
    praised = next(item for item in judged if item.architecture == order[0])
    assert praised.believed < 0.5 and praised.error == 1 - praised.believed and praised.merit == praised.believed
    # Whatever comes after the sample changes no trust: what was judged before is judged the same.
    later = views.judged([*evaluated[:9], *(replace(item, score=0.0) for item in evaluated[9:])], 9)
    assert [item.judged for item in later[:9]] == [item.judged for item in views.judged(evaluated[:9], 9)]


def test_losses_of_any_size_are_judged_the_other_way_round(looked: SearchState) -> None:
    assert looked.views is not None
    perplexity = Measure("perplexity", higher_is_better=False, best=0.0, share=False)
    rows = looked.views.rows
    evaluated = [Evaluated(a, 500 - row[3], 1.0, perplexity) for a, row in rows.items()]
    judged = looked.views.judged(evaluated, len(evaluated))
    assert kendall_tau([item.believed for item in judged], [row[3] for row in rows.values()]) < -0.6
    assert kendall_tau([item.merit for item in judged], [row[3] for row in rows.values()]) > 0.6


def test_where_nothing_agrees_what_was_measured_stays(looked: SearchState) -> None:
    assert looked.views is not None
    evaluated = [Evaluated(architecture, 0.5, 1.0, ACCURACY) for architecture in list(looked.views.rows)[:1]]
    assert looked.views.judged(evaluated, 1) == evaluated
    assert looked.views.judged(evaluated, 1)[0].judged is None


def test_proxies_are_for_networks_without_weights_of_their_own() -> None:
    network = choices(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()), torch.zeros(1, 3, 8, 8))
    with pytest.raises(UsageError, match=r"search.proxies = \[synflow, naswot, zen\]: this network is pretrained"):
        Views(network, counted_table(network), PROXIES, 0)


def test_tokens_are_not_moved_a_little() -> None:
    network = tiny(tokens=20, length=12, classes=3)
    with pytest.raises(UsageError, match=r"search.proxies has zen: .* choose from synflow, naswot, grad_norm"):
        Views(network, counted_table(network), PROXIES, 0)


def test_examples_are_the_first_or_what_there_is() -> None:
    data = small_data().weights
    assert len(examples(data, 8)[0]) == 8 and examples(data, 8)[0].equal(data.pixels[:8])
    assert len(examples(data, 500)[0]) == len(data)


@pytest.mark.slow
def test_a_search_believes_what_its_views_agree_on(short_lessons: None, tmp_path: Path) -> None:
    state = Loop(begun()).run()
    assert state.views is not None
    assert set(state.views.rows) == set(state.seen())
    assert all(item.judged is not None for item in state.archive)
    assert [item.judged for item in state.views.judged(state.archive, state.settings.sample)] == [
        item.judged for item in state.archive
    ]
    path = checkpoint.save(tmp_path / checkpoint.NAME, state, Place(3))
    other = begun()
    checkpoint.load(path, other)
    assert other.views is not None and other.views.rows == state.views.rows
    assert [item.judged for item in other.archive] == [item.judged for item in state.archive]
    state.views.rows.popitem()
    broken = checkpoint.save(tmp_path / "broken.pt", state, Place(3))
    with pytest.raises(UsageError, match=r"views lacks 1 evaluated"):
        checkpoint.load(broken, begun())
