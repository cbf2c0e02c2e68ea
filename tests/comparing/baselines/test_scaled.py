"""Uniform scaling: narrower networks over the same space, trained within one budget of epochs, measured alike."""

from __future__ import annotations

import math

import pytest
import torch

from archdial.common.progress import NoBar
from archdial.comparing.baselines import Case, Judge, Scaled, School
from archdial.comparing.baselines.scaled import SHARES, ScaledMember
from archdial.comparing.curves import compared, search_baselines
from archdial.networks.backbones import resnet20
from archdial.networks.cells.nas_bench_201 import NasBench201, Plan
from archdial.networks.example import shape_of
from archdial.networks.graph import gates
from archdial.networks.graph.source import make_model
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from archdial.training.plain_network import TrainSettings
from tests.networks.examples import textures
from tests.toy import Toy


def judged(architecture: Architecture) -> Evaluated:
    return Evaluated(architecture, Toy.accuracy(architecture), 0.0, ACCURACY)


def school(epochs: int = 10) -> School:
    settings = TrainSettings(epochs=epochs, batch_size=16, augment=False)
    return School(textures(96), textures(40, seed=1), 40, settings, NoBar())


def case(toy: Toy, given: School | None) -> Case:
    return Case(toy.family, Judge(judged, 0), torch.Generator().manual_seed(0), given)


@pytest.fixture(scope="module")
def found(toy: Toy) -> list[ScaledMember]:
    members = Scaled().members(case(toy, school()))
    assert all(isinstance(member, ScaledMember) for member in members)
    return members  # type: ignore[return-value]


@pytest.mark.slow
def test_widths_differ_and_the_architecture_is_the_best_known(toy: Toy, found: list[ScaledMember]) -> None:
    best = max(toy.family.archive, key=lambda item: item.accuracy).architecture
    assert {member.architecture for member in found} == {best}
    sizes = [member.parameters for member in found]
    assert sizes == sorted(set(sizes)) and found[-1].share == 1.0
    assert sizes[-1] == sum(p.numel() for p in toy.family.build(best).parameters())
    assert len({member.identity for member in found}) == len(found) and 2 <= len(found) <= len(SHARES)
    assert found[-1].cell_parameters == toy.family.member(best).cell_parameters
    assert all(0 < member.cell_parameters < member.parameters for member in found)
    images = torch.rand(2, *shape_of(toy.family.network.example))
    torch.testing.assert_close(found[0].build()(images), found[0].timed()(images))
    assert found[0].to_json()["share_of_channels"] == found[0].share < 1


def test_they_were_trained(found: list[ScaledMember]) -> None:
    # Four classes of textures that a look tells apart.
    assert max(member.accuracy for member in found) > 0.5


@pytest.mark.slow
def test_they_are_compared_like_members(toy: Toy) -> None:
    methods = search_baselines(toy.family, judged, {"scaled": Scaled()}, budget=5, school=school(1))  # type: ignore[arg-type]
    comparison = compared(toy.family, methods, textures(20), "test", count=3, repeats=1)
    curve = comparison.curves[1]
    assert (curve.found.name, curve.found.evaluations) == ("scaled", len(methods[1].front))
    assert all(math.isfinite(member.latency_ms) and member.latency_ms > 0 for member in curve.members)
    assert all(member.weights_from == "retrained" for member in curve.members)
    value = curve.to_json()
    assert value["members"][0]["share_of_channels"] < value["members"][-1]["share_of_channels"] == 1.0


def test_without_a_school_it_says_so(toy: Toy) -> None:
    with pytest.raises(ValueError, match="needs a School"):
        Scaled().members(case(toy, None))


@pytest.mark.slow
def test_narrower_backbones_have_the_same_gates() -> None:
    source = {"name": "resnet20", "width": None, "input_shape": [3, 8, 8], "classes": 10}
    network = gates(make_model(**source).eval(), torch.zeros(1, 3, 8, 8), source=source)  # type: ignore[arg-type]
    narrow = network.scaled(0.5)
    assert narrow is not None and narrow.space == network.space
    assert narrow.body.get_submodule("conv1").out_channels == 8
    assert gates(resnet20(4).eval(), torch.zeros(1, 3, 8, 8)).scaled(0.5) is None


def test_networks_of_the_benchmark() -> None:
    network = NasBench201(Plan(cells=1, channels=8))
    assert network.scaled(0.25).plan == Plan(cells=1, channels=2)
    assert network.scaled(0.01).plan.channels == 1 and network.scaled(1.0).space == network.space
