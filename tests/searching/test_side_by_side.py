"""Architectures evaluated side by side come out as one after the other, and leave nothing running."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from archdial import Scalar
from archdial.common.errors import RunError
from archdial.cost.measuring.timing import threads
from archdial.searching import side_by_side as room
from archdial.searching.evaluation import Evaluated, Evaluator
from archdial.searching.loop import Loop
from archdial.searching.paths import make_paths
from archdial.searching.side_by_side import MOST, SideBySide, side_by_side
from archdial.searching.state import SearchState, begin
from archdial.space import Architecture
from archdial.tasks.classification import Classification
from tests.networks.examples import counted_table
from tests.searching.job import job_of, small_data

pytestmark = pytest.mark.usefixtures("short_lessons")


@pytest.fixture
def two_threads() -> Iterator[None]:
    with threads(2):
        yield


def state_of(method: str = "two_stage", **changes: Any) -> SearchState:
    network, settings = job_of(method)
    return begin(network, small_data(), counted_table(network), Scalar(), replace(settings, **changes), 0)


def drawn(state: SearchState, count: int = 12) -> list[Architecture]:
    paths, generator = make_paths("uniform", state.network.space), torch.Generator().manual_seed(1)
    return list(dict.fromkeys(paths.draw(generator) for _ in range(3 * count)))[:count]


@pytest.mark.parametrize("method", ["two_stage", "widths"])
@pytest.mark.parametrize("workers", [2, 3])
def test_each_is_what_it_is_alone(method: str, workers: int) -> None:
    state = state_of(method)
    architectures = drawn(state)
    with threads(1):
        alone = [state.evaluator(one) for one in architectures]
        judge = SideBySide(state.evaluator, architectures, workers)
        together = [judge(one) for one in architectures]
        judge.close()
    assert together == alone
    assert len({(one.score, one.loss) for one in alone}) > 3, "they differ from each other"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["predictor", "widths", "proxies"])
def test_a_search_finds_the_same(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, begun = [], SideBySide.__init__

    def counted(self: SideBySide, *args: Any) -> None:
        made.append(self)
        begun(self, *args)

    with threads(1):
        alone = Loop(state_of(method)).run()
        # Two workers of one thread each, beside a training on one thread: sums on two have other last bits.
        monkeypatch.setattr(room, "torch", SimpleNamespace(get_num_threads=lambda: 2))
        monkeypatch.setattr(SideBySide, "__init__", counted)
        together = Loop(state_of(method)).run()
    assert made
    assert [one.row() for one in together.archive] == [one.row() for one in alone.archive]


@pytest.mark.usefixtures("two_threads")
def test_threads_and_judge_are_as_before_once_it_is_over() -> None:
    state = state_of()
    architectures = drawn(state)
    with side_by_side(state, architectures):
        assert isinstance(state.judge, SideBySide)
        assert torch.get_num_threads() == 1
        assert state.evaluate(architectures[0]).architecture == architectures[0]
    assert state.judge is None
    assert torch.get_num_threads() == 2


@pytest.mark.usefixtures("two_threads")
def test_what_goes_wrong_in_one_ends_the_search_and_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    state = state_of()
    evaluate, begun, running = Evaluator.__call__, [], threading.active_count()

    def third_time_wrong(self: Evaluator, architecture: Architecture) -> Evaluated:
        begun.append(architecture)
        if len(begun) == 3:
            raise RunError("the disk is full")
        return evaluate(self, architecture)

    monkeypatch.setattr(Evaluator, "__call__", third_time_wrong)
    with pytest.raises(RunError, match="the disk is full") as caught:
        Loop(state).run()
    assert caught.tb is not None, "it lives, and holds what gave the architectures"
    assert threading.active_count() == running
    assert torch.get_num_threads() == 2
    assert len(begun) <= 3 + 2 * 2


@pytest.mark.usefixtures("two_threads")
def test_the_network_that_is_trained_is_left_alone() -> None:
    state = state_of()
    before = {name: tensor.clone() for name, tensor in state.network.state_dict().items()}
    architectures = drawn(state)
    with side_by_side(state, architectures):
        for one in architectures:
            state.evaluate(one)
    assert all(torch.equal(before[name], tensor) for name, tensor in state.network.state_dict().items())
    assert state.network.training


@pytest.mark.parametrize("case", ["one thread", "one architecture", "a judge", "a task of somebody's own"])
def test_one_after_the_other(case: str) -> None:
    state = state_of()
    architectures = drawn(state, 1 if case == "one architecture" else 4)
    if case == "a judge":
        state.judge = state.evaluator
    if case == "a task of somebody's own":
        state.task = Classification()
    judge = state.judge
    with threads(1 if case == "one thread" else 2), side_by_side(state, architectures):
        assert state.judge is judge


def test_no_more_copies_than_memory_bears() -> None:
    state = state_of()
    with threads(4 * MOST), side_by_side(state, drawn(state)):
        assert isinstance(state.judge, SideBySide)
        assert len(state.judge._pool._threads) <= MOST
        assert torch.get_num_threads() == 4
