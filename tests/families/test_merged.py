"""Members in which layers were made one: built by the table, trained as they were, saved and loaded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.common.errors import UsageError
from archdial.cost.making.counting import count
from archdial.families.member import Member
from archdial.families.storage import load_member, save_family, save_member
from archdial.families.stored_network import open_member
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.source import make_model
from archdial.searching.settings import SearchSettings
from archdial.space import Architecture
from archdial.training.settings import TrainSettings
from tests.networks.graph.merging.test_priced import dropping, eager, rows, timed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]

WORDS = 16
SETTINGS = SearchSettings(evaluations=10, sample=6, epochs=2, batch_size=8, dial_steps=10, rounds=2, regime="tuned")
TRAINED = replace(TrainSettings(), epochs=1, batch_size=8)
MERGED = [("up", "down")]


class Model(nn.Module):
    """Tokens to the logits of the next ones, by way of a hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.act, self.norm = nn.Embedding(WORDS, 8), nn.GELU(), nn.LayerNorm(8)
        self.up, self.down, self.head = nn.Linear(8, 32), nn.Linear(32, 8), nn.Linear(8, WORDS)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.norm(self.down(self.act(self.up(self.embedding(tokens))))))


def model() -> Model:
    torch.manual_seed(0)
    return Model().eval()


def batches(count: int, seed: int) -> list[dict[str, Tensor]]:
    drawn = torch.randint(0, WORDS, (count, 8, 6), generator=torch.Generator().manual_seed(seed))
    return [{"tokens": tokens, "labels": tokens.roll(-1, 1)} for tokens in drawn]


TOKENS = batches(1, 3)[0]["tokens"]


@pytest.fixture(scope="module")
def family() -> ad.Family:
    network = ad.gates(model(), {"tokens": TOKENS})
    seen = {"train": batches(4, 1), "validation": batches(2, 2)}
    return ad.search(network, seen, eager(network), settings=SETTINGS, task=ad.LanguageModelling("loss"))


@pytest.fixture(scope="module")
def member(family: ad.Family) -> Member:
    network = family.network
    assert isinstance(network, GatedNetwork)
    return family.member(dropping(network, "act"))


def test_what_is_built_has_the_members_figures(family: ad.Family, member: Member) -> None:
    assert member.merging == MERGED
    built, plain = member.build(), member.build(merge=False)
    names = {name for name, _ in built.named_children()}
    assert "down" not in names and {"up", "down"} <= {name for name, _ in plain.named_children()}
    assert torch.allclose(built(TOKENS), plain(TOKENS), rtol=1e-4, atol=1e-4)
    found = count(built, (), family.network.calling.flat(family.network.example))
    assert (found.parameters, found.flops, found.size_bytes) == (member.parameters, member.flops, member.size_bytes)
    assert {name for name, _ in member.timed().named_children()} == names


def test_the_whole_is_the_users_network(family: ad.Family) -> None:
    network = family.network
    assert isinstance(network, GatedNetwork)
    whole = family.member(network.whole)
    assert whole.merging == [] and whole.build()(TOKENS).equal(model()(TOKENS))


def test_a_device_on_which_it_is_slower_has_its_own_members(family: ad.Family, member: Member) -> None:
    network = family.network
    assert isinstance(network, GatedNetwork)
    other = replace(family, table=timed(network, 9.0)).member(member.architecture)
    assert other.merging == [] and other.parameters > member.parameters
    assert {"up", "down"} <= {name for name, _ in other.build().named_children()}


def test_it_comes_back(member: Member, tmp_path: Path) -> None:
    path = save_member(member, tmp_path)
    assert json.loads(path.read_text())["merged"] == [["up", "down"]]
    again = load_member(tmp_path, model=model())
    assert again(TOKENS).equal(member.build()(TOKENS))


def test_what_is_saved_unmerged_comes_back_so(member: Member, tmp_path: Path) -> None:
    plain = member.build(merge=False)
    path = save_member(member, tmp_path, plain)
    assert "merged" not in json.loads(path.read_text())
    assert load_member(tmp_path, model=model())(TOKENS).equal(plain(TOKENS))


def test_it_is_trained_unmerged_and_merged_then(member: Member, tmp_path: Path) -> None:
    trained = {}

    def note(module: nn.Module, *_: object, **__: object) -> nn.Module:
        trained["names"] = {name for name, _ in module.named_children()}
        return module

    with patch("archdial.training.plain_network.train", note):
        tuned, anew = member.finetune(batches(4, 1), TRAINED), member.retrain(batches(4, 1), TRAINED)
    assert {"up", "down"} <= trained["names"]
    for module in (tuned, anew, member.finetune(batches(4, 1), TRAINED)):
        assert "down" not in {name for name, _ in module.named_children()}
        save_member(member, tmp_path, module)
        assert load_member(tmp_path, model=model())(TOKENS).equal(module(TOKENS))


def test_a_family_comes_back(family: ad.Family, member: Member, tmp_path: Path) -> None:
    save_family(family, tmp_path)
    again = ad.load(tmp_path, model=model(), task=ad.LanguageModelling("loss"))
    other = again.member(member.architecture)
    assert other.merging == MERGED and other.build()(TOKENS).equal(member.build()(TOKENS))


def made_here() -> tuple[GatedNetwork, Architecture]:
    """A network that archdial makes, and an architecture with layers that can be one."""
    source: dict[str, Any] = {"name": "resnet20", "width": 4, "input_shape": (3, 16, 16), "classes": 10}
    network = ad.gates(make_model(**source), torch.zeros(1, 3, 16, 16), source=source)
    return network, dropping(network, "stages.2.1.conv2", "stages.2.1.relu1")


def test_a_network_that_archdial_makes_is_merged_without_memory() -> None:
    network, architecture = made_here()
    found = rows(network, eager(network), architecture)
    assert found
    built = network.merge(network.build(architecture).eval(), found)
    taken = network.space.describe(architecture)
    again, _ = open_member(network.to_json(), built.state_dict(), None, False, taken, found)
    inputs = torch.randn(2, 3, 16, 16)
    assert again.eval()(inputs).equal(built(inputs))
    with pytest.raises(UsageError, match="are not consecutive"):
        open_member(network.to_json(), built.state_dict(), None, False, taken, [("no", "such")])
    with pytest.raises(UsageError, match="restore a copy"):
        open_member(network.to_json(), built.state_dict(), None, False, taken, [])
