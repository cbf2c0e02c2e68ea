"""Tied weights: one parameter by two names, from the search to a member that is loaded again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import archdial as ad
from archdial.families.storage import family_json, load_member, save_family, save_member
from archdial.searching.settings import SearchSettings
from archdial.training.settings import TrainSettings
from tests.networks.examples import counted_table

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons", "exported_once")]

WORDS = 16
SETTINGS = SearchSettings(evaluations=10, sample=6, epochs=2, batch_size=8, dial_steps=10, rounds=2, regime="tuned")


class Tied(nn.Module):
    """Tokens to the logits of the next ones, whose classifier is the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(WORDS, 8), nn.Linear(8, WORDS, bias=False)
        self.branch = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8))
        self.norm = nn.LayerNorm(8)
        self.head.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        features = self.embedding(tokens)
        return self.head(self.norm(features + self.branch(features)))


def tied() -> Tied:
    torch.manual_seed(0)
    return Tied().eval()


def batches(count: int, seed: int) -> list[dict[str, Tensor]]:
    drawn = torch.randint(0, WORDS, (count, 8, 6), generator=torch.Generator().manual_seed(seed))
    return [{"tokens": tokens, "labels": tokens.roll(-1, 1)} for tokens in drawn]


@pytest.fixture(scope="module")
def family() -> ad.Family:
    network = ad.gates(tied(), {"tokens": batches(1, 0)[0]["tokens"]})
    seen = {"train": batches(4, 1), "validation": batches(2, 2)}
    return ad.search(network, seen, counted_table(network), settings=SETTINGS, task=ad.LanguageModelling("loss"))


def pair(module: nn.Module) -> list[Tensor]:
    """Of the embedding and of the classifier."""
    return [tensor for name, tensor in module.state_dict().items() if tensor.shape == (WORDS, 8)]


def test_a_family_of_tied_weights_comes_back(family: ad.Family, tmp_path: Path) -> None:
    save_family(family, tmp_path)
    again = ad.load(tmp_path, model=tied(), task=ad.LanguageModelling("loss"))
    assert family_json(again) == family_json(family)
    tokens = batches(1, 3)[0]["tokens"]
    for own, other in zip(family.front(), again.front(), strict=True):
        assert own.build()(tokens).equal(other.build()(tokens))


def test_a_member_of_tied_weights_stays_tied(family: ad.Family, tmp_path: Path) -> None:
    tuned = family.front()[0].finetune(batches(4, 1), replace(TrainSettings(), epochs=1, batch_size=8))
    one, other = pair(tuned)
    assert one.data_ptr() == other.data_ptr() and not one.equal(family.network.untouched().state_dict()["head.weight"])
    save_member(family.front()[0], tmp_path, tuned)
    again = load_member(tmp_path, model=tied())
    one, other = pair(again)
    assert one.data_ptr() == other.data_ptr()
    tokens = batches(1, 3)[0]["tokens"]
    assert again(tokens).equal(tuned(tokens))
