"""Accuracy and latency of built members."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from archdial.comparing.measured import measured, score
from archdial.data import Images, Normalize
from archdial.tasks.images import ImageClassification
from tests.networks.examples import textures
from tests.toy import Toy


class ByFirstPixel(nn.Module):
    """The class is the value of the first pixel."""

    def forward(self, inputs: Tensor) -> Tensor:
        return nn.functional.one_hot((inputs[:, 0, 0, 0] * 255).round().long(), 4).float()


@pytest.mark.parametrize("batch_size", [1, 7, 500])
@pytest.mark.parametrize("right", [0, 1, 13, 20])
def test_accuracy_is_the_share_that_is_right(right: int, batch_size: int) -> None:
    labels = torch.arange(20) % 4
    pixels = torch.zeros(20, 1, 2, 2, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = (labels + (torch.arange(20) >= right)) % 4
    images = Images(pixels, labels)
    assert score(ByFirstPixel(), images, ImageClassification(Normalize((0.0,), (1.0,))), batch_size) == right / 20


def test_accuracy_is_taken_in_eval_mode() -> None:
    class Mode(ByFirstPixel):
        def forward(self, inputs: Tensor) -> Tensor:
            assert not self.training
            assert torch.is_inference_mode_enabled()
            return super().forward(inputs)

    images = Images(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64))
    assert score(Mode().train(), images, ImageClassification(Normalize((0.0,), (1.0,)))) == 1.0


@pytest.mark.slow
def test_measured_members_say_so(toy: Toy) -> None:
    family, images = toy.family, textures(40, seed=3)
    members = [family.at(0.01), family.at(10.0), replace(family.at(10.0), dial=5.0)]
    found = measured(members, images, "test", repeats=1)
    assert [m.architecture for m in found] == [m.architecture for m in members]
    assert [m.dial for m in found] == [m.dial for m in members]
    for before, member in zip(members, found, strict=True):
        assert (before.latency_from, member.latency_from) == ("predicted", "measured")
        assert (member.accuracy_from, member.accuracy_split) == ("measured", "test")
        assert member.accuracy == score(member.build(), images, family.task)
        assert member.latency_ms > 0
        assert (member.parameters, member.flops) == (before.parameters, before.flops)
        provenance = member.to_json()["provenance"]
        assert (provenance["accuracy"], provenance["latency_ms"]) == ("measured", "measured")
    assert replace(found[1], dial=5.0) == found[2], "one architecture is measured once"


def test_no_members_are_measured_at_once(toy: Toy) -> None:
    assert measured([], textures(4), "test") == []
