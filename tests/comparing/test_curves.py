"""A family against baselines: measured alike, chosen on validation, and the family left as it was."""

from __future__ import annotations

import functools

import pytest
import torch

from archdial.comparing.baselines.baseline import full_architecture
from archdial.comparing.curves import FAMILY, Found, compared, search_baselines
from archdial.families.family import Family
from archdial.networks.statistics import statistics_of
from archdial.searching.evaluation import Evaluated
from archdial.tasks.measure import ACCURACY
from tests.comparing.baselines.test_baselines import QUICK
from tests.networks.examples import textures
from tests.toy import Toy


@functools.cache
def found(family: Family, budget: int = 12) -> list[Found]:
    return search_baselines(
        family,
        lambda a: Evaluated(a, Toy.accuracy(a), 0.0, ACCURACY),  # type: ignore[arg-type]
        QUICK,
        budget=budget,
    )


@pytest.mark.slow
def test_each_method_has_its_front_by_validation(toy: Toy) -> None:
    methods = found(toy.family)
    assert [method.name for method in methods] == [FAMILY, *QUICK]
    assert methods[0].evaluations == len(toy.family.archive)
    assert all(method.evaluations <= 12 for method in methods[1:])
    cost = toy.family.costs["latency_ms"]
    for method in methods:
        costs = [cost.of(item.architecture) for item in method.front]
        accuracies = [item.accuracy for item in method.front]
        assert costs == sorted(costs)
        assert method.chosen == (method.name != "drawn")
        if method.chosen:
            assert accuracies == sorted(accuracies) and len(set(accuracies)) == len(accuracies)
        else:
            assert len(method.front) == method.evaluations == 12 and accuracies != sorted(accuracies)


@pytest.mark.slow
def test_members_are_measured_and_the_area_is_relative_to_the_whole(toy: Toy) -> None:
    before = {name: buffer.clone() for name, buffer in toy.family.network.named_buffers()}
    comparison = compared(toy.family, found(toy.family), textures(40), "test", count=3, repeats=2)
    assert comparison.full.architecture == full_architecture(toy.family)
    for curve in comparison.curves:
        assert 1 <= len(curve.members) <= 3 and 0 <= curve.area <= 1
        for member, accuracy in zip(curve.members, curve.validation, strict=True):
            assert accuracy == pytest.approx(Toy.accuracy(member.architecture))
            assert (member.accuracy_split, member.accuracy_from, member.latency_from) == (
                "test",
                "measured",
                "measured",
            )
        value = curve.to_json()
        assert len(value["members"]) == len(curve.members) and value["area"] == curve.area
        assert 0 <= value["hypervolume"] <= 1
        # Whatever is chosen within a budget, the front is at least as good at it.
        accuracies = [point["accuracy"] for point in value["accuracy_within"]]
        assert [point["share"] for point in value["accuracy_within"]] == [0.25, 0.5, 0.75]
        assert all(accuracy in {0.0, *(m.accuracy for m in curve.members)} for accuracy in accuracies)
        assert (value["seconds"] is None) == (curve.found.name == FAMILY)
    after = dict(toy.family.network.named_buffers())
    assert before and all(torch.equal(buffer, after[name]) for name, buffer in before.items())


@pytest.mark.slow
def test_thinned_fronts_keep_both_ends(toy: Toy) -> None:
    methods = found(toy.family, budget=60)
    comparison = compared(toy.family, methods, textures(20), "test", count=2, repeats=1)
    for method, curve in zip(methods, comparison.curves, strict=True):
        ends = [method.front[0].architecture, method.front[-1].architecture]
        assert [member.architecture for member in curve.members] == (ends if len(method.front) > 1 else ends[:1])


def test_statistics_are_put_back(toy: Toy) -> None:
    family = toy.family
    before = statistics_of(family.network)
    family.build(family.space.uniform("sep_conv_3x3"))
    after = statistics_of(family.network)
    assert before and all(torch.equal(before[name], after[name]) for name in before)
