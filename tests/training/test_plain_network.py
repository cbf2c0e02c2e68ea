"""Training one plain network."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from archdial.common.errors import RunError, UsageError
from archdial.comparing.measured import score
from archdial.data import Images, Normalize
from archdial.tasks.images import ImageClassification
from archdial.training.plain_network import TrainSettings, restart, train
from tests.networks.examples import textures
from tests.toy import Toy

NORMALIZE = Normalize((0.3,), (0.25,))
SHORT = TrainSettings(epochs=3, batch_size=16, learning_rate=0.05, augment=False)


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(24, 4)
    )


def loss(module: nn.Module, images: Images) -> float:
    with torch.no_grad():
        return float(nn.functional.cross_entropy(module.eval()(NORMALIZE(images.pixels)), images.labels))


def test_learns_what_can_be_learnt() -> None:
    images, other = textures(160), textures(80, seed=9)
    module = small()
    before = loss(module, other)
    trained = train(module, images, NORMALIZE, SHORT)
    assert trained is module
    assert not trained.training
    assert loss(trained, other) < before / 2
    assert score(trained, other, ImageClassification(NORMALIZE)) > 0.9


def test_augmentation_and_a_last_partial_batch_do_no_harm() -> None:
    module = train(small(), textures(70), NORMALIZE, TrainSettings(epochs=2, batch_size=16))
    assert all(p.isfinite().all() for p in module.parameters())


def test_fewer_images_than_a_batch() -> None:
    before = small()
    module = train(copy.deepcopy(before), textures(10), NORMALIZE, SHORT)
    assert not module[5].weight.equal(before[5].weight)


@pytest.mark.parametrize("augment", [False, True])
def test_a_seed_repeats_to_the_bit(augment: bool) -> None:
    settings = TrainSettings(epochs=2, batch_size=16, augment=augment)
    one, two, three = (train(small(), textures(64), NORMALIZE, settings, seed=seed) for seed in (3, 3, 4))
    for name, value in one.state_dict().items():
        assert value.equal(two.state_dict()[name]), name
    assert not one[5].weight.equal(three[5].weight)


def test_the_global_generator_does_not_matter() -> None:
    torch.manual_seed(1)
    one = train(small(), textures(32), NORMALIZE, SHORT)
    torch.manual_seed(2)
    module = small()
    torch.rand(7)
    two = train(module, textures(32), NORMALIZE, SHORT)
    assert one[5].weight.equal(two[5].weight)


def test_restart_draws_anew_and_leaves_the_original() -> None:
    module = train(small(), textures(64), NORMALIZE, SHORT)
    before = copy.deepcopy(module.state_dict())
    one, same, other = restart(module, 0), restart(module, 0), restart(module, 1)
    assert all(value.equal(before[name]) for name, value in module.state_dict().items())
    for name, value in one.state_dict().items():
        assert value.equal(same.state_dict()[name])
    for name in ("0.weight", "5.weight"):
        assert not one.state_dict()[name].equal(before[name])
        assert not one.state_dict()[name].equal(other.state_dict()[name])
    assert one[1].running_mean.abs().max() == 0.0
    assert one[1].num_batches_tracked == 0


@pytest.mark.slow
def test_a_member_finetunes_from_inherited_and_retrains_from_new_weights(toy: Toy) -> None:
    images = textures(64)
    member = toy.family.at(0.01)
    inherited = member.build().state_dict()
    # So small a rate moves nothing: what comes out is what training began with.
    still = TrainSettings(epochs=1, batch_size=32, learning_rate=1e-12, augment=False)
    weights = [n for n, p in member.build().named_parameters() if p.ndim > 1]
    tuned, retrained = member.finetune(images, still).state_dict(), member.retrain(images, still, seed=7).state_dict()
    for name in weights:
        torch.testing.assert_close(tuned[name], inherited[name], msg=name)
        assert not retrained[name].allclose(inherited[name], atol=1e-3), name
    again, other = (member.retrain(images, still, seed=seed).state_dict() for seed in (7, 8))
    for name in weights:
        assert again[name].equal(retrained[name])
        assert not other[name].allclose(retrained[name], atol=1e-3)
    own = toy.family.network.state_dict()
    assert all(own[name].equal(inherited[name]) for name in weights), "the supernet is left alone"


@pytest.mark.slow
def test_a_member_learns(toy: Toy) -> None:
    images = textures(128)
    member = toy.family.at(0.01)
    settings = TrainSettings(epochs=3, batch_size=16, learning_rate=0.05, augment=False)
    for module in (member.finetune(images, settings), member.retrain(images, settings)):
        assert score(module, textures(80, seed=9), ImageClassification(NORMALIZE)) > 0.8


class Fixed(nn.Module):
    """A teacher that swears by the next class."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: Tensor) -> Tensor:
        logits: Tensor = self.inner(inputs)
        return logits.roll(1, 1)


@pytest.mark.slow
def test_a_teacher_is_followed_and_left_alone() -> None:
    images, other = textures(320), textures(80, seed=9)
    teacher = Fixed(train(small(), images, NORMALIZE, replace(SHORT, epochs=6)))
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    settings = replace(SHORT, epochs=6, distillation=1.0)
    student = train(small(1), images, NORMALIZE, settings, teacher=teacher)
    turned = Images(other.pixels, (other.labels + 1) % 4)
    right = score(student, turned, ImageClassification(NORMALIZE))
    assert right > 0.9, "with all the weight on it the labels do not matter"
    for name, value in teacher.state_dict().items():
        assert value.equal(before[name]), name
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_teacher_of_no_weight_changes_nothing() -> None:
    images, teacher = textures(48), small(5)
    settings = TrainSettings(epochs=1, batch_size=16, augment=False, distillation=0.0)
    one = train(small(), images, NORMALIZE, settings)
    two = train(small(), images, NORMALIZE, settings, teacher=teacher)
    torch.testing.assert_close(one[5].weight, two[5].weight)


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    module = small()
    with torch.no_grad():
        module[0].weight.fill_(math.nan)
    with pytest.raises(RunError, match="the loss became nan at step 0 of epoch 1: try a lower learning_rate"):
        train(module, textures(32), NORMALIZE, SHORT)


def test_a_huge_rate_ends_in_a_message() -> None:
    settings = TrainSettings(epochs=40, batch_size=16, learning_rate=1e6, clip=1e30, augment=False)
    with pytest.raises(RunError, match=r"the loss became (nan|inf)"):
        train(small(), textures(64), NORMALIZE, settings)


def test_rate_warms_up_and_falls_to_zero() -> None:
    settings = TrainSettings(epochs=10, learning_rate=0.4)
    assert settings.rate(0.05) == pytest.approx(0.4)
    assert settings.rate(0.025) == pytest.approx(0.2)
    assert settings.rate(0.525) == pytest.approx(0.2)
    assert settings.rate(1.0) == pytest.approx(0.0)
    rates = [settings.rate(step / 100) for step in range(101)]
    assert min(rates[:-1]) > 0
    assert rates[5:] == sorted(rates[5:], reverse=True)


@pytest.mark.parametrize(
    "setting",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"learning_rate": math.nan},
    ],
)
def test_wrong_settings(setting: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(setting))):
        TrainSettings(**setting)  # type: ignore[arg-type]


def test_finetuning_is_shorter_and_slower() -> None:
    settings = TrainSettings.finetuning(3)
    assert settings.epochs == 3
    assert settings.learning_rate < TrainSettings().learning_rate
