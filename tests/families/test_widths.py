"""Families over widths: searched, resumed, saved, opened without code, trained on and written for other runtimes."""

from __future__ import annotations

import itertools
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.common.documents import sealed
from archdial.common.errors import LittleToSave, Notice, UsageError
from archdial.exporting import export
from archdial.families.storage import family_json, load_built, load_family, load_member, save_family, save_member
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choices.width import Width
from archdial.networks.graph.source import make_model
from archdial.searching.settings import SearchSettings
from archdial.training.settings import TrainSettings
from tests.networks.examples import counted_table

pytestmark = pytest.mark.usefixtures("short_lessons")

SETTINGS = SearchSettings(
    evaluations=10, sample=6, epochs=2, batch_size=8, dial_steps=10, rounds=2, regime="tuned", paths="sandwich"
)
SUFFIXES = {"pt2": ".pt2", "onnx": ".onnx", "openvino": ".xml", "executorch": ".pte"}


class Encoder(nn.Module):
    """Signals to classes: a convolution, attention of four heads, a feed-forward branch of 32 hidden units."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv1d(2, 16, 3, padding=1), nn.LayerNorm(16)
        self.query, self.key, self.value, self.out = (nn.Linear(16, 16) for _ in range(4))
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x).transpose(1, 2))
        parts = [layer(x).unflatten(2, (4, 4)).transpose(1, 2) for layer in (self.query, self.key, self.value)]
        attended = nn.functional.scaled_dot_product_attention(*parts)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        x = x + self.down(nn.functional.gelu(self.up(x)))
        return self.head(x.mean(1))


def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder().eval()


def slim() -> GatedNetwork:
    return ad.choices(encoder(), torch.zeros(2, 2, 6), include=["branch*", "*.width"])


def batches(count: int, seed: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(8, 2, 6, generator=generator) for _ in range(count)]
    with torch.no_grad():
        return [(x, encoder()(x).argmax(1)) for x in drawn]


def searched(settings: SearchSettings = SETTINGS, **options: Any) -> ad.Family:
    network = slim()
    seen = {"train": batches(6, 1), "validation": batches(4, 2)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Notice)
        return ad.search(network, seen, counted_table(network), settings=settings, task=ad.Classification(), **options)


@pytest.fixture(scope="module")
def family() -> ad.Family:
    return searched()


def test_its_choices_are_heads_and_hidden_units(family: ad.Family) -> None:
    described = {choice.name: choice.options for choice in family.space.choices}
    assert described == {
        "branch": ("1", "0.75", "0.5", "0.25", "0"),
        "branch#2": ("1", "0.75", "0.5", "0.25", "0"),
    }
    network = family.network
    assert isinstance(network, GatedNetwork)
    assert [(group.kind, group.units) for group in network.widths.groups] == [("attention", 4), ("linear", 32)]


def test_the_users_network_stays_itself(family: ad.Family) -> None:
    network, own = family.network, encoder()
    assert isinstance(network, GatedNetwork)
    # Its units were sorted, and its weights tuned.
    assert any(not value.equal(network.body.state_dict()[key]) for key, value in own.state_dict().items())
    for module in (network.untouched(), network.build(network.whole)):
        assert all(value.equal(module.state_dict()[key]) for key, value in own.state_dict().items())


def test_a_search_is_repeated_to_the_bit_and_importance_matters(family: ad.Family) -> None:
    assert family_json(searched()) == family_json(family)
    other = searched(replace(SETTINGS, importance="none"))
    assert family_json(other)["archive"] != family_json(family)["archive"]


def test_what_is_saved_is_loaded_with_the_code_and_answers_without(family: ad.Family, tmp_path: Path) -> None:
    save_family(family, tmp_path)
    again = load_family(tmp_path, model=encoder())
    assert family_json(again) == family_json(family)
    member = min(family.front(), key=lambda one: one.latency_ms)
    x = torch.randn(4, 2, 6)
    assert again.build(member.architecture)(x).equal(family.build(member.architecture)(x))
    closed = load_family(tmp_path)
    assert closed.within(latency_ms=member.latency_ms * 1.001).architecture == member.architecture
    with pytest.raises(UsageError, match="model"):
        closed.build(member.architecture)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w["branch"].update(fractions=[1.0]), "fractions"),
        (lambda w: w["branch"]["units"].update(query=[4, 3, 5, 1]), "non-increasing numbers"),
        (lambda w: w["branch"]["units"].update(query=[8, 6, 4, 2]), "no 8 units of .query"),
        (lambda w: w["branch"].update(units={"nobody": [4, 3, 2, 1]}), "units of .nobody"),
        (lambda w: w.pop("branch"), "choices"),
    ],
)
def test_damaged_widths_are_told(family: ad.Family, tmp_path: Path, change: Any, said: str) -> None:
    save_family(family, tmp_path)
    path = tmp_path / "family.json"
    value = json.loads(path.read_text())
    change(value["network"]["widths"])
    path.write_text(json.dumps(sealed({key: item for key, item in value.items() if key != "sha256"})))
    with pytest.raises(UsageError, match=said):
        load_family(tmp_path, model=encoder())


def test_a_narrow_member_is_trained_on_and_saved(family: ad.Family, tmp_path: Path) -> None:
    member = family.member(family.space.parse({"branch": "0.5", "branch#2": "0.25"}))
    settings = TrainSettings(epochs=1, batch_size=8, learning_rate=0.1)
    network = family.network
    assert isinstance(network, GatedNetwork)
    tuned = member.finetune(batches(3, 3), settings, teacher=network.untouched())
    shapes = {name: tuple(value.shape) for name, value in tuned.state_dict().items()}
    assert shapes["query.weight"] == (8, 16) and shapes["out.weight"] == (16, 8)
    assert shapes["up.weight"] == (8, 16) and shapes["down.weight"] == (16, 8)
    save_member(member, tmp_path / "member", tuned)
    x = torch.randn(4, 2, 6)
    assert load_member(tmp_path / "member", model=encoder())(x).equal(tuned(x))
    assert load_built(tmp_path / "member", model=encoder()).module(x).equal(tuned(x))


@pytest.mark.parametrize("format", [pytest.param(one, marks=pytest.mark.slow) for one in SUFFIXES])
def test_every_format_holds_smaller_layers(family: ad.Family, tmp_path: Path, format: str) -> None:
    member = family.member(family.space.parse({"branch": "0.5", "branch#2": "0.25"}))
    path = tmp_path / f"member{SUFFIXES[format]}"
    assert export(member.built(), path, format).largest_difference <= 1e-4
    if format == "onnx":
        sizes = sorted(list(one.dims) for one in onnx.load(path).graph.initializer if len(one.dims) == 2)
        assert [8, 16] in sizes and [16, 8] in sizes and [32, 16] not in sizes and [16, 32] not in sizes


def test_what_cannot_be_narrower_is_told_before_the_search() -> None:
    sizes = [12, *range(20, 32), 3]
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    model = nn.Sequential(nn.Flatten(), nn.ReLU(), *layers)
    network = ad.gates(model.eval(), torch.zeros(2, 2, 6))
    seen = {"train": [(x, y % 3) for x, y in batches(2, 1)], "validation": batches(2, 2)}
    table = counted_table(network)
    short = replace(SETTINGS, regime="frozen", evaluations=2, sample=2)
    with pytest.warns(LittleToSave, match=r"width=\(1, 0.75"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, message="(?!the cheapest)")
        ad.search(network, seen, table, settings=short, task=ad.Classification())


def test_a_member_of_our_own_backbone_is_cut_from_one_without_memory() -> None:
    source = {"name": "resnet18", "width": 16, "input_shape": [3, 32, 32], "classes": 10}
    network = ad.choices(make_model(**source).eval(), torch.zeros(1, 3, 32, 32), source=source)
    with torch.device("meta"):
        again = GatedNetwork.from_json(network.to_json())
    assert again.space == network.space and again.widths.groups == network.widths.groups
    architecture = network.space.random(torch.Generator().manual_seed(0))
    shapes = [
        {name: value.shape for name, value in one.build(architecture).state_dict().items()} for one in (network, again)
    ]
    assert shapes[0] == shapes[1]
    half = network.scaled(0.5)
    assert half is not None and half.space == network.space
    assert next(choice.units for choice in half.choices if isinstance(choice, Width)) == {0: (8, 4)}
