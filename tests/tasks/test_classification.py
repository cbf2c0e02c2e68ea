"""Classification of images: what a batch becomes, and how outputs are judged."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

import archdial as ad
from archdial.common.errors import UsageError
from archdial.data import Normalize
from archdial.tasks.images import ImageClassification
from tests.networks.examples import textures

TASK = ImageClassification(Normalize((0.3,), (0.25,)))
CPU = torch.device("cpu")


def batch(count: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    images = textures(count)
    return images.pixels, images.labels


def test_inputs_are_normalised_and_only_varied_where_asked_for() -> None:
    seen = batch()
    plain = TASK.inputs(seen, CPU)
    torch.testing.assert_close(plain, (seen[0].float() / 255 - 0.3) / 0.25)
    varied = [TASK.inputs(seen, CPU, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert varied[0].equal(varied[1]) and not varied[0].equal(varied[2]) and not varied[0].equal(plain)
    assert varied[0].shape == plain.shape


def test_the_loss_is_cross_entropy() -> None:
    labels = torch.tensor([0, 2])
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    right = math.log(math.exp(2) + 2) - 2
    assert float(TASK.loss(logits, (logits, labels))) == pytest.approx(right)
    wrong = math.log(math.exp(2) + 2)
    smoothed = 0.7 * right + 0.3 * (right + 2 * wrong) / 3
    assert float(TASK.loss(logits, (logits, labels), smoothing=0.3)) == pytest.approx(smoothed)


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (1, 5, 1)])
def test_the_score_is_the_same_however_images_are_batched(sizes: tuple[int, ...]) -> None:
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0])
    logits = torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 1, 1, 0, 0]), 3).float()
    score = TASK.score()
    for outputs, asked in zip(logits.split(list(sizes)), labels.split(list(sizes)), strict=True):
        score.add(outputs, (outputs, asked))
    assert score.value() == 5 / 7
    assert TASK.measure.name == "accuracy" and TASK.measure.higher_is_better and TASK.chance is None
    assert ImageClassification(TASK.normalize, 4).chance == 0.25


def test_a_share_rounded_to_float32_is_the_mean_that_archives_have() -> None:
    for count in (7, 96, 500, 10_000):
        right = torch.arange(count + 1)
        means = torch.tensor([float((torch.arange(count) < r).float().mean()) for r in right[:: max(1, count // 97)]])
        shares = torch.tensor([int(r) / count for r in right[:: max(1, count // 97)]])
        assert means.equal(shares)


def test_outputs_are_no_way_from_their_own_and_the_temperature_softens() -> None:
    logits, taught = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    assert float(TASK.apart(taught, taught, 2.0)) == pytest.approx(0.0, abs=1e-7)
    p = 1 / (1 + math.exp(1 / 2))
    divergence = (1 - p) * math.log((1 - p) / p) + p * math.log(p / (1 - p))
    assert float(TASK.apart(logits, taught, 2.0)) == pytest.approx(4 * divergence, rel=1e-5)


@pytest.mark.parametrize("score", ["accuracy", "balanced accuracy", "macro F1"])
def test_what_is_not_asked_for_is_left_out(score: Any) -> None:
    outputs = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(0))
    labels = outputs.argmax(1)
    labels[:, 2:] = -100
    found = ad.Classification(score).score()
    found.add(outputs, (outputs, labels))
    assert found.value() == pytest.approx(1.0)
    assert ad.Classification(score).loss(outputs, (outputs, labels)).isfinite()


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8, torch.bool])
def test_labels_of_any_whole_type(kind: torch.dtype) -> None:
    outputs = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))
    labels = outputs.argmax(1)
    task = ad.Classification("macro F1")
    found = task.score()
    found.add(outputs, (outputs, labels.to(kind)))
    assert found.value() == pytest.approx(1.0)
    assert task.loss(outputs, (outputs, labels.to(kind))) == task.loss(outputs, (outputs, labels))


def test_weights_below_0_are_refused() -> None:
    with pytest.raises(UsageError, match=r"class_weights are \[1, -1\]: expected non-negative numbers"):
        ad.Classification(class_weights=[1, -1])


def test_a_mask_may_have_a_channel() -> None:
    outputs, task = torch.randn(2, 3, 4, 5), ad.Segmentation()
    mask = outputs.argmax(1)
    assert task.loss(outputs, (outputs, mask[:, None])) == task.loss(outputs, (outputs, mask))
    with pytest.raises(UsageError, match=r"masks of shape \(2, 3, 4, 5\) for outputs .*expected a class index per"):
        task.loss(outputs, (outputs, outputs))
    mask[0, 0, 0] = 255
    with pytest.raises(UsageError, match=r"labels from 0 to 255 for a network with 3 classes: expected 0 to 2"):
        task.loss(outputs, (outputs, mask))


def test_a_data_set_of_nothing_but_tokens() -> None:
    outputs, tokens, task = torch.randn(2, 5, 7), torch.randint(0, 7, (2, 5)), ad.LanguageModelling()
    assert task.loss(outputs, [tokens]) == task.loss(outputs, tokens)
