"""A family of cells whose width is a choice: searched, saved, loaded, and its members smaller indeed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import archdial as ad
from archdial.families.storage import family_json, load_member, save_family, save_member
from archdial.networks.cells.network import CellNetwork
from archdial.space import Architecture
from tests.networks.examples import counted_table, inputs
from tests.searching.job import small_data, small_settings

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons")]


def network() -> CellNetwork:
    torch.manual_seed(0)
    return ad.cells(1, 3, cells=2, nodes=1, channels=8, image_size=8, widths=[1, 0.75, 0.5, 0.25])


@pytest.fixture(scope="module")
def family() -> ad.Family:
    net = network()
    return ad.search(net, small_data(), counted_table(net), dial=ad.Scalar(), settings=small_settings("predictor"))


def test_what_was_saved_is_what_was_searched(family: ad.Family, tmp_path: Path) -> None:
    save_family(family, tmp_path)
    again = ad.load(tmp_path)
    assert family_json(again) == family_json(family)
    images = inputs(family.network)
    for position in (0.1, 1.0):
        assert again.at(position).build()(images).equal(family.at(position).build()(images))


def test_members_of_less_width_have_smaller_layers(family: ad.Family, tmp_path: Path) -> None:
    member, images = family.at(0.5), inputs(family.network)
    for number, channels in enumerate((8, 6, 4, 2)):
        architecture = Architecture((*member.architecture.options[:-1], number))
        narrow = family.member(architecture)
        module = narrow.build()
        assert module.get_submodule("stem.0").out_channels == channels
        assert sum(p.numel() for p in module.parameters()) == narrow.parameters
        save_member(narrow, tmp_path / str(number))
        assert load_member(tmp_path / str(number))(images).equal(module.eval()(images))


@pytest.mark.parametrize("method", ["two_stage", "single_level", "bilevel"])
def test_other_methods_find_families_too(method: str) -> None:
    net = network()
    settings = replace(small_settings(method), epochs=2)
    family = ad.search(net, small_data(), counted_table(net), dial=ad.Scalar(), settings=settings)
    assert {item.architecture.options[-1] for item in family.archive} <= {0, 1, 2, 3}
