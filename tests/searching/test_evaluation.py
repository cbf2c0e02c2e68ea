"""Accuracy with inherited weights, and the statistics of BatchNorm before it."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import nn

from archdial.data import Normalize
from archdial.searching.evaluation import PREFERENCE, Evaluated, Evaluator, Examples, errors, losses, recalibrate
from archdial.space import Architecture
from archdial.tasks.images import ImageClassification
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import drawn, textures, tiny

NORMALIZE = Normalize((0.3,), (0.25,))


def test_one_batch_by_hand() -> None:
    norm = nn.BatchNorm2d(3, momentum=0.3)
    batch = torch.randn(6, 3, 4, 5) * 2 + 1
    norm(batch * 7)
    recalibrate(norm, norm, [batch])
    torch.testing.assert_close(norm.running_mean, batch.mean((0, 2, 3)))
    torch.testing.assert_close(norm.running_var, batch.var((0, 2, 3)))
    assert norm.momentum == 0.3
    assert not norm.training


def test_several_batches_are_averaged() -> None:
    norm = nn.BatchNorm1d(2)
    parts = [torch.randn(5, 2) + shift for shift in (0.0, 3.0, 10.0)]
    recalibrate(norm, norm, parts)
    torch.testing.assert_close(norm.running_mean, torch.stack([p.mean(0) for p in parts]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([p.var(0) for p in parts]).mean(0))


def test_layers_are_calibrated_on_what_the_layers_before_give_them() -> None:
    first, second = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    network = nn.Sequential(first, nn.ReLU(), second)
    batch = torch.randn(50, 2) * 3 + 2
    recalibrate(network, network, [batch])
    normal = (batch - batch.mean(0)) / (batch.var(0, unbiased=False) + first.eps).sqrt()
    torch.testing.assert_close(second.running_mean, normal.relu().mean(0))


def test_weights_do_not_move() -> None:
    network = tiny(in_channels=1)
    before = {name: p.clone() for name, p in network.named_parameters()}
    weights = network.space.one_hot(drawn(network.space, 1)[0])
    recalibrate(network, lambda x: network(x, weights), [NORMALIZE(textures(8).pixels)])
    assert all(p.equal(before[name]) and p.grad is None for name, p in network.named_parameters())


def test_layers_without_statistics_are_left_alone() -> None:
    norm = nn.BatchNorm1d(2, track_running_stats=False)
    recalibrate(norm, norm, [torch.randn(5, 2)])
    assert norm.running_mean is None
    assert norm.momentum == 0.1


def test_an_error_on_the_way_restores_the_momentum() -> None:
    norm = nn.BatchNorm1d(2, momentum=0.3)

    def fail(batch: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recalibrate(norm, fail, [torch.randn(5, 2)])
    assert norm.momentum == 0.3


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [7, 500])
def test_evaluator_is_the_built_module_on_the_images(batch_size: int) -> None:
    network = tiny(in_channels=1, classes=4)
    seen, images = textures(32, seed=1), textures(40, seed=2)
    inputs, task = NORMALIZE(images.pixels), ImageClassification(NORMALIZE)
    calibration = NORMALIZE(seen.pixels).split(batch_size)
    batches = partial(images.in_order, batch_size)
    examples = Examples(batches, lambda batch: task.inputs(batch, torch.device("cpu")), task.prepared)
    evaluator = Evaluator(network, calibration, examples, task)
    architectures = drawn(network.space, 3)
    found = [evaluator(a) for a in architectures]
    assert [evaluator(a) for a in architectures] == found, "whatever was evaluated before"
    for architecture, result in zip(architectures, found, strict=True):
        assert evaluator(architecture).architecture == architecture
        with torch.no_grad():
            logits = network.build(architecture)(inputs)
        assert result.accuracy == pytest.approx(float((logits.argmax(1) == images.labels).float().mean()))
        assert result.loss == pytest.approx(float(nn.functional.cross_entropy(logits, images.labels)), rel=1e-4)
    assert len({result.loss for result in found}) == 3


def test_nothing_beats_the_whole_network_it_was_cut_from() -> None:
    whole, better, worse = Architecture((0, 0)), Architecture((0, 1)), Architecture((1, 1))
    seen = [
        Evaluated(better, 0.9, 0.2, ACCURACY),
        Evaluated(whole, 0.8, 0.4, ACCURACY),
        Evaluated(worse, 0.5, 0.9, ACCURACY),
    ]
    assert errors(seen).tolist() == pytest.approx([0.1, 0.2, 0.5])
    assert errors(seen, whole).tolist() == pytest.approx([0.2 + PREFERENCE, 0.2, 0.5])
    assert losses(seen, whole).tolist() == pytest.approx([0.4 + PREFERENCE, 0.4, 0.9])
    assert errors(seen[:1], whole).tolist() == pytest.approx([0.1])
