"""A training of one network that is stopped and taken up again ends to the bit as if nothing had happened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from torch import nn

from archdial.common.errors import UsageError
from archdial.data import Images
from archdial.training.checkpoint import read_checkpoint
from archdial.training.descent import descend, precision_state, restore_precision
from archdial.training.interrupt import Interrupt
from archdial.training.loop import Interrupted
from archdial.training.plain_network import TrainSettings, train
from tests.networks.examples import textures
from tests.training.test_plain_network import NORMALIZE, small

SETTINGS = TrainSettings(epochs=3, batch_size=16, learning_rate=0.05)
IMAGES = textures(64)


def stopped_at(step: int, file: Path, teacher: nn.Module | None = None, settings: TrainSettings = SETTINGS) -> None:
    """Begin a training, interrupted before `step` of all its steps."""
    seen = 0

    class Asked(Interrupt):
        @property
        def asked(self) -> bool:
            nonlocal seen
            seen += 1
            return seen > step

        @asked.setter
        def asked(self, value: bool) -> None: ...

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupted, match=r"--resume"):
        patch.setattr("archdial.training.loop.Interrupt", Asked)
        train(small(), IMAGES, NORMALIZE, settings, seed=3, teacher=teacher, checkpoint=file)


@pytest.mark.parametrize(
    ("step", "settings"), [*((step, SETTINGS) for step in (0, 1, 4, 6, 11)), (6, replace(SETTINGS, optimizer="adamw"))]
)
def test_a_training_that_was_stopped_ends_as_if_it_had_not_been(
    tmp_path: Path, step: int, settings: TrainSettings
) -> None:
    file = tmp_path / "checkpoint.pt"
    alone = train(small(), IMAGES, NORMALIZE, settings, seed=3)
    stopped_at(step, file, settings=settings)
    other = replace(settings, optimizer="sgd" if settings.optimizer == "adamw" else "adamw")
    with pytest.raises(UsageError, match="was started with other weights, images, settings or seed"):
        train(small(), IMAGES, NORMALIZE, other, seed=3, checkpoint=file, resume=True)
    resumed = train(small(), IMAGES, NORMALIZE, settings, seed=3, checkpoint=file, resume=True)
    for name, value in alone.state_dict().items():
        assert value.equal(resumed.state_dict()[name]), name


def test_one_that_was_over_is_only_read(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    alone = train(small(), IMAGES, NORMALIZE, SETTINGS, seed=3, teacher=small(1), checkpoint=file)
    again = train(small(), IMAGES, NORMALIZE, SETTINGS, seed=3, teacher=small(1), checkpoint=file, resume=True)
    assert all(value.equal(again.state_dict()[name]) for name, value in alone.state_dict().items())


def test_other_inputs_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    stopped_at(5, file, teacher=small(1))
    others = Images(255 - IMAGES.pixels, IMAGES.labels)
    for module, images, seed, teacher in (
        (small(7), IMAGES, 3, small(1)),
        (small(), others, 3, small(1)),
        (small(), IMAGES, 4, small(1)),
        (small(), IMAGES, 3, None),
    ):
        with pytest.raises(UsageError, match="was started with other weights, images, settings or seed"):
            train(module, images, NORMALIZE, SETTINGS, seed=seed, teacher=teacher, checkpoint=file, resume=True)


@pytest.mark.slow
def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.pt"
    stopped_at(5, file)
    content = bytearray(file.read_bytes())
    for place in range(0, len(content), len(content) // 23):
        changed = bytearray(content)
        changed[place] ^= 1
        file.write_bytes(changed)
        try:
            read_checkpoint(file)
        except UsageError:
            continue
        # What is between the parts of the archive says nothing, and what is said is what was written.
        train(small(), IMAGES, NORMALIZE, SETTINGS, seed=3, checkpoint=file, resume=True)


def half_precision(scale: float) -> Fabric:
    """Return a Fabric that scales losses as on a GPU, but not in half precision."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=1)
    plugin = MixedPrecision("16-mixed", "cpu", scaler=scaler)
    return Fabric(accelerator="cpu", devices=1, plugins=[plugin])


@pytest.mark.parametrize("scale", [1.0, 2.0**16])
def test_gradients_are_clipped_after_their_scale_is_undone(scale: float) -> None:
    """Before, a norm was compared with the clip while it was 65,536 times too large."""
    module = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        module.weight.fill_(0.0)
    fabric = half_precision(scale)
    forward, optimizer = fabric.setup(module, torch.optim.SGD(module.parameters(), lr=1.0))
    loss = (forward.module.weight * torch.tensor([[0.3, 0.4]])).sum()
    descend(fabric, forward, optimizer, loss, clip=5.0)
    torch.testing.assert_close(module.weight.detach(), torch.tensor([[-0.3, -0.4]]))
    loss = (forward.module.weight * torch.tensor([[30.0, 40.0]])).sum()
    descend(fabric, forward, optimizer, loss, clip=5.0)
    torch.testing.assert_close(module.weight.detach(), torch.tensor([[-3.3, -4.4]]))


def test_the_scale_of_half_precision_is_kept() -> None:
    fabric, other = half_precision(2.0**16), half_precision(4.0)
    restore_precision(other, precision_state(fabric))
    assert precision_state(other) == precision_state(fabric) and precision_state(other)["scale"] == 2.0**16
    assert precision_state(Fabric(accelerator="cpu", devices=1)) == {}
