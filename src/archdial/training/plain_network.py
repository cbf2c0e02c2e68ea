"""Training one plain network: from scratch or from inherited weights, with or without a teacher."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archdial.common.digests import digest_of
from archdial.common.errors import UsageError
from archdial.common.memory import keep_freed_memory
from archdial.common.progress import Bar, NoBar
from archdial.common.torch_device import fabric_on
from archdial.common.validation import conforming
from archdial.data import Images, Normalize
from archdial.data.loaders import split_of
from archdial.data.split import Batch, Split
from archdial.networks.fresh import draw_anew
from archdial.networks.layout import all_laid_out, lay_out
from archdial.tasks.calls import called
from archdial.tasks.images import ImageClassification, normalize_of
from archdial.tasks.task import Task
from archdial.training.checkpoint import (
    check_names,
    check_optimizer,
    check_shapes,
    read_checkpoint,
    restoring,
    write_checkpoint,
)
from archdial.training.descent import NOTES, OPTIMIZERS, descend, precision_state, restore_precision
from archdial.training.loop import Job, TrainingLoop
from archdial.training.objective import Objective
from archdial.training.settings import TrainSettings
from archdial.training.step import Figures, Phase, Place, Step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

__all__ = ["TrainSettings", "restart", "train"]


def restart(module: nn.Module, seed: int) -> nn.Module:
    """Return a copy of `module` with weights and statistics redrawn."""
    fresh = copy.deepcopy(module)
    torch.manual_seed(seed)
    draw_anew(fresh)
    return fresh


def train(
    module: nn.Module,
    data: object,
    task: Task | Normalize,
    settings: TrainSettings,
    *,
    seed: int = 0,
    device: str = "cpu",
    teacher: nn.Module | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    bar: Bar | NoBar | None = None,
) -> nn.Module:
    """Train `module` on `data` and return it in eval mode, on the CPU.

    Args:
        module: takes what the task gives.
        data: images in memory, a Dataset, a DataLoader, or an iterable of batches.
        task: what it is for; a normalisation stands for the classification of images in memory.
        teacher: a trained module of equal outputs, kept as it is.
        checkpoint: file that is written after each epoch; whoever has saved the result removes it. None keeps nothing.
        resume: go on from `checkpoint`, if it is there, to the bit as if nothing had happened.

    Raises:
        RunError: the loss became NaN or infinite, or the training was interrupted.
        UsageError: the checkpoint is damaged or was begun with something else.
    """
    keep_freed_memory()
    split = split_of(data, "train")
    known = ImageClassification(task) if isinstance(task, Normalize) else task
    begun = "" if checkpoint is None else _begun(module, teacher, split, known, settings, seed)
    job = PlainJob.of(module, split, known, settings, seed, device, teacher, begun)
    TrainingLoop(job, checkpoint, bar=bar).run(resume=resume)
    job.state.optimizer.zero_grad()
    return module.to("cpu").eval()


def _begun(
    module: nn.Module,
    teacher: nn.Module | None,
    data: Split,
    task: Task,
    settings: TrainSettings,
    seed: int,
) -> str:
    """Return what is equal for trainings with equal inputs."""
    states = [module.state_dict(), {} if teacher is None else teacher.state_dict()]
    seen: list[Any] = [data.digest, task.measure.name]
    if isinstance(data, Images) and (normalize := normalize_of(task)) is not None:
        seen = [data.pixels, data.labels, normalize.mean, normalize.std]
    optimizer = [] if settings.optimizer == "sgd" else [settings.optimizer]
    return digest_of([*states, seen, repr(settings), seed, *optimizer])


@dataclass
class PlainState:
    """One network that is trained, and what that changes.

    Attributes:
        module: the network; `forward` is the same as fabric wraps it.
        order: the memory layout that its inputs have.
        generator: orders of images and augmentation come from it.
        epoch_began: the state of `generator` before the order of the epoch in hand was drawn.
    """

    module: nn.Module
    data: Split
    task: Task
    settings: TrainSettings
    fabric: Fabric
    forward: nn.Module
    optimizer: torch.optim.Optimizer
    objective: Objective
    order: torch.memory_format
    generator: torch.Generator
    epoch_began: Tensor


class TrainPlain(Step[PlainState]):
    """The objective of one batch: the task's loss, and the distance to a teacher."""

    name = "train"

    def count(self, state: PlainState) -> int:
        """Return the number of whole batches, at least 1."""
        return state.data.count(state.settings.batch_size)

    def batches(self, state: PlainState, order: torch.Generator, start: int) -> Iterator[Batch]:
        """Return shuffled batches; the order is drawn from the state's own generator, as augmentation is."""
        generator = state.generator
        if start:
            generator = torch.Generator()
            generator.set_state(state.epoch_began)
        else:
            state.epoch_began = generator.get_state()
        return state.data.shuffled(state.settings.batch_size, generator, start)

    def __call__(self, state: PlainState, batch: Batch, progress: float) -> Figures:
        """Train on one batch."""
        steps = state.settings.epochs * self.count(state)
        for group in state.optimizer.param_groups:
            # The share of whole steps, exactly: a rate that is off in its last bit makes another network.
            group["lr"] = state.settings.rate(round(progress * steps) / steps)
        varied = state.generator if state.settings.augment else None
        inputs = all_laid_out(state.task.inputs(batch, state.fabric.device, varied), state.order)
        loss = state.objective(inputs, called(state.forward, inputs), batch)
        descend(state.fabric, state.forward, state.optimizer, loss, state.settings.clip)
        return {"loss": float(loss.detach())}

    def close(self, state: PlainState, progress: float) -> Figures:
        """Note where the next epoch begins."""
        state.epoch_began = state.generator.get_state()
        return {}


class PlainJob(Job[PlainState]):
    """The training of one network, and its checkpoints.

    Attributes:
        fingerprint: what is equal for trainings that begin alike.
    """

    def __init__(self, state: PlainState, seed: int, fingerprint: str) -> None:
        self.state, self.seed, self.fingerprint = state, seed, fingerprint

    @classmethod
    def of(
        cls,
        module: nn.Module,
        data: Split,
        task: Task,
        settings: TrainSettings,
        seed: int,
        device: str,
        teacher: nn.Module | None,
        begun: str = "",
    ) -> PlainJob:
        """Return the training of `module`, yet to begin; see `train`."""
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        fabric = fabric_on(device, settings.precision)
        order = lay_out(module)
        forward, optimizer = fabric.setup(module, OPTIMIZERS[settings.optimizer](module, settings))
        taught = None if teacher is None else fabric.setup_module(copy.deepcopy(teacher).eval())
        module.train()
        state = PlainState(
            module=module,
            data=data,
            task=task,
            settings=settings,
            fabric=fabric,
            forward=forward,
            optimizer=optimizer,
            objective=Objective(task, taught, settings.distillation, settings.temperature, settings.label_smoothing),
            order=order,
            generator=generator,
            epoch_began=generator.get_state(),
        )
        return cls(state, seed, begun)

    def plan(self) -> Sequence[Phase[PlainState]]:
        """Return the one phase."""
        return [Phase(TrainPlain(), self.state.settings.epochs)]

    def save(self, file: Path, place: Place) -> None:
        """Write the state to `file`."""
        state = self.state
        write_checkpoint(
            file,
            {
                "fingerprint": self.fingerprint,
                "place": place.to_json(),
                "network": state.module.state_dict(),
                "optimizer": state.optimizer.state_dict(),
                "generator": state.generator.get_state(),
                "epoch_began": state.epoch_began,
                "precision": precision_state(state.fabric),
            },
        )

    def load(self, file: Path) -> Place:
        """Put what `file` holds into the state.

        Raises:
            UsageError: it is damaged, or was begun with other weights, images, settings or seed.
        """
        value = read_checkpoint(file)
        if value["fingerprint"] != self.fingerprint:
            raise UsageError(
                f"the training in {file} was started with other weights, images, settings or seed: resume it with the "
                "same ones, or delete it"
            )
        with restoring(file):
            return self._restore(value)

    def _restore(self, value: dict[str, Any]) -> Place:
        state = self.state
        known = ("fingerprint", "place", "network", "optimizer", "generator", "epoch_began", "precision")
        check_names(value, known)
        check_optimizer("optimizer", value["optimizer"], state.optimizer, NOTES[state.settings.optimizer])
        state.module.load_state_dict(value["network"])
        state.optimizer.load_state_dict(value["optimizer"])
        check_shapes(state.optimizer)
        state.generator.set_state(value["generator"])
        torch.Generator().set_state(value["epoch_began"])
        state.epoch_began = value["epoch_began"]
        restore_precision(state.fabric, conforming(dict[str, Any], value["precision"], "precision"))
        place = Place.of(value["place"])
        if not place.batch:
            # It may have been stopped when the order of this epoch was drawn already, which is then drawn again.
            state.generator.set_state(state.epoch_began)
        return place

    def advice(self, kept: Path | None) -> str:
        """Return which settings to try."""
        told = "" if kept is None else f"; the last good checkpoint is kept, {kept}"
        return f"{told}: try a lower learning_rate or clip, or precision 32-true"
