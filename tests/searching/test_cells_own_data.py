"""Cells searched on signals and texts of the user's own: from the first look to a member that is loaded and trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import archdial as ad
from archdial.common.errors import UsageError
from archdial.families.family import Family
from archdial.families.storage import family_json, load_member, save_family, save_member
from archdial.tasks.calls import called
from archdial.tasks.task import Task
from tests.networks.examples import counted_table
from tests.searching.test_own_data import LENGTH, SETTINGS, WORDS, Tokens

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("short_lessons")]


def waves(count: int, seed: int) -> TensorDataset:
    """Two sines in noise, and their next four moments."""
    generator = torch.Generator().manual_seed(seed)
    phase, noise = torch.rand(count, 2, 1, generator=generator), torch.randn(count, 2, 12, generator=generator)
    whole = torch.sin(torch.arange(16) / 2 + 6.28 * phase)
    return TensorDataset(whole[:, :, :12] + 0.1 * noise, whole[:, :, 12:].transpose(1, 2).contiguous())


def found(task: Task, plan: dict[str, Any], data: dict[str, Any]) -> Family:
    torch.manual_seed(0)
    network = ad.cells(cells=2, nodes=2, channels=4, **plan)
    return ad.search(network, data, counted_table(network), task=task, settings=SETTINGS)


CASES: dict[str, tuple[Task, dict[str, Any], dict[str, Any]]] = {
    "forecast": (
        ad.Regression("R2"),
        {"in_channels": 2, "length": 12, "outputs": (4, 2)},
        {"train": waves(128, 0), "validation": DataLoader(waves(64, 1), 32)},
    ),
    "texts by name": (
        ad.Classification(),
        {"example": {"tokens": Tokens(4, 0).tokens}, "tokens": WORDS, "classes": 2, "places": LENGTH},
        {"train": DataLoader(Tokens(128, 1), 16, shuffle=True), "validation": DataLoader(Tokens(64, 2), 16)},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_family_is_saved_loaded_and_trained(case: str, tmp_path: Path) -> None:
    task, plan, data = CASES[case]
    family = found(task, plan, data)
    save_family(family, tmp_path)
    loaded = ad.load(tmp_path, task=task)
    assert family_json(loaded) == family_json(family)
    batch = next(iter(data["validation"]))
    inputs = task.inputs(batch, torch.device("cpu"))
    member = loaded.within(latency_ms=1e3)
    assert called(member.build(), inputs).equal(called(family.member(member.architecture).build(), inputs))
    settings = ad.TrainSettings(epochs=12, batch_size=16, learning_rate=0.1, label_smoothing=0)
    tuned = member.finetune(data["train"], settings)
    assert ad.score(tuned, data["validation"], task) > max(0.7, ad.score(member.build(), data["validation"], task))
    save_member(member, tmp_path / "member", tuned)
    assert called(load_member(tmp_path / "member"), inputs).equal(called(tuned, inputs))


def test_what_does_not_go_in_is_told_before_the_search() -> None:
    task, plan, data = CASES["forecast"]
    with pytest.raises(UsageError, match=r"the first batch of the train data, .* fails in network or task"):
        found(task, {**plan, "in_channels": 3}, data)
    task, plan, data = CASES["texts by name"]
    with pytest.raises(
        UsageError, match=r"tokens from 0 to 11, but the network accepts 0 to 2: create it with more tokens"
    ):
        found(task, {**plan, "tokens": 3}, data)
