"""The papers' experiments on a small family: Λ by hand, the plateau and the fall, relaxed against discrete."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import torch

from archdial.comparing.experiments.plateau import Point, alone, fall, penalties, together
from archdial.comparing.experiments.relaxed import Pair, mean_difference, pairs
from archdial.data import SearchData
from archdial.families.family import Family
from archdial.searching.settings import SearchSettings
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import textures
from tests.toy import Toy

SETTINGS = SearchSettings(batch_size=16, evaluation_images=32, calibration_images=32, augment=False)


@pytest.fixture
def family(toy: Toy) -> Family:
    return toy.family


@pytest.fixture
def data(family: Family) -> SearchData:
    images = textures(64)
    return SearchData("textures", family.classes, images, images, family.normalize.mean, family.normalize.std)


def points(*accuracies: float) -> list[Point]:
    return [Point(10.0**place, accuracy, 1.0, ACCURACY) for place, accuracy in enumerate(accuracies)]


def test_the_fall_is_where_accuracy_goes_to_its_least_and_stays() -> None:
    assert fall(points(0.9, 0.9, 0.5, 0.12, 0.1), 0.1) == 1e3
    assert fall(points(0.9, 0.1, 0.5, 0.1), 0.1) == 1e3
    assert fall(points(0.9, 0.9, 0.7), 0.1) is None
    # The cheapest network may know something.
    assert fall(points(0.9, 0.6, 0.21, 0.2), 0.1) == 1e2
    assert fall(points(0.5, 0.5, 0.5), 0.1) is None
    assert fall(points(0.1, 0.1), 0.1) is None


def test_penalties_reach_beyond_what_matters(family: Family) -> None:
    values = penalties(family, 7)
    assert len(values) == 7 and values == sorted(values)
    ratios = [b / a for a, b in pairwise(values)]
    assert ratios == pytest.approx([ratios[0]] * 6, rel=1e-4)
    assert values[-1] / values[0] >= 100


@pytest.mark.slow
def test_each_penalty_alone_goes_from_dear_to_cheap(family: Family, data: SearchData) -> None:
    weights = {name: value.clone() for name, value in family.network.state_dict().items()}
    values = [1e-6, 1e6]
    found = alone(family, data, SETTINGS, values, epochs=12)
    assert [point.penalty for point in found] == values
    assert found[1].latency_ms == pytest.approx(family.costs["latency_ms"].lowest)
    assert found[0].latency_ms > found[1].latency_ms
    assert all(torch.equal(value, family.network.state_dict()[name]) for name, value in weights.items())


@pytest.mark.slow
def test_a_run_in_turns_has_its_experiments(family: Family, data: SearchData) -> None:
    settings = dataclasses.replace(SETTINGS, method="predictor", regime="tuned", epochs=2, turns=1)
    (found,) = alone(family, data, settings, [1e6], epochs=12)
    assert found.latency_ms == pytest.approx(family.costs["latency_ms"].lowest)


@pytest.mark.slow
def test_one_hypernetwork_answers_every_penalty(family: Family, data: SearchData) -> None:
    settings = dataclasses.replace(SETTINGS, hypernet={"kind": "linear"})
    found = together(family, data, settings, [0.01, 1.0, 100.0], epochs=12)
    assert [point.penalty for point in found] == [0.01, 1.0, 100.0]
    assert found[-1].latency_ms <= found[0].latency_ms


def test_relaxed_equals_discrete_where_the_hypernetwork_is_certain(family: Family, data: SearchData) -> None:
    certain = dataclasses.replace(family)
    with torch.no_grad():
        sharp = {name: 1e3 * value for name, value in family.hypernet.state_dict().items()}
    before = {name: value.clone() for name, value in family.hypernet.state_dict().items()}
    certain.hypernet.load_state_dict(sharp)
    try:
        found = pairs(certain, data, 32, count=4)
    finally:
        family.hypernet.load_state_dict(before)
    assert len(found) == 4 and mean_difference(found) == pytest.approx(0.0)


def test_the_mean_difference_takes_both_signs() -> None:
    assert mean_difference([Pair(0.1, 0.5, 0.6), Pair(0.2, 0.7, 0.4)]) == pytest.approx(0.2)
