"""Training one plain network: from scratch, from inherited weights, with or without a teacher."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from archdial.common.errors import RunError
from archdial.common.limits import Count, Factor, Positive, Precision, Rate, Share
from archdial.common.memory import keep_freed_memory
from archdial.common.progress import Bar, NoBar
from archdial.common.torch_device import fabric_on
from archdial.common.validation import check_fields
from archdial.data import Images, Normalize, augment, batches
from archdial.networks.layout import laid_out, lay_out
from archdial.training.distillation import apart


@dataclass(frozen=True)
class TrainSettings:
    """How to train.

    Attributes:
        learning_rate: of SGD with Nesterov momentum at its highest: after a warm-up of one epoch, or of 5 % of the run
            where that is shorter, it falls to 0 by a cosine.
        label_smoothing: share of the target that is spread over all classes.
        distillation: weight of a teacher's softened outputs against the labels, where there is a teacher.
        temperature: softens both sides of the distillation (Hinton et al. 2015).
    """

    epochs: Count = 20
    batch_size: Count = 64
    learning_rate: Rate = 0.1
    momentum: Share = 0.9
    weight_decay: Factor = 5e-4
    clip: Positive = 5.0
    label_smoothing: Share = 0.05
    augment: bool = True
    distillation: Share = 0.5
    temperature: Rate = 2.0
    precision: Precision = "32-true"

    def __post_init__(self) -> None:
        check_fields(self, "train")

    @classmethod
    def finetuning(cls, epochs: int = 5) -> Self:
        """Return what suits inherited weights: fewer epochs, a lower learning rate."""
        return replace(cls(), epochs=epochs, learning_rate=0.02)

    def rate(self, progress: float) -> float:
        """Return the learning rate at `progress` in [0, 1]."""
        warm = min(0.05, 1 / self.epochs)
        if progress < warm:
            return self.learning_rate * max(progress / warm, 0.01)
        return self.learning_rate * (1 + math.cos(math.pi * (progress - warm) / (1 - warm))) / 2


def restart(module: nn.Module, seed: int) -> nn.Module:
    """Return a copy of `module` with weights and statistics drawn anew."""
    fresh = copy.deepcopy(module)
    torch.manual_seed(seed)
    for part in fresh.modules():
        reset = getattr(part, "reset_parameters", None)
        if callable(reset):
            reset()
    return fresh


def train(
    module: nn.Module,
    images: Images,
    normalize: Normalize,
    settings: TrainSettings,
    *,
    seed: int = 0,
    device: str = "cpu",
    teacher: nn.Module | None = None,
    bar: Bar | NoBar | None = None,
) -> nn.Module:
    """Train `module` on `images` and return it in eval mode, on the CPU.

    Args:
        module: (n, c, h, w) → logits (n, classes).
        images: pixels and labels; `normalize` turns pixels into inputs.
        teacher: a trained module of equal outputs, kept as it is.

    Raises:
        RunError: the loss became NaN or infinite.
    """
    keep_freed_memory()
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    fabric = fabric_on(device, settings.precision)
    order = lay_out(module)
    model, optimizer = fabric.setup(module, _optimizer(module, settings))
    objective = _Objective(settings, None if teacher is None else fabric.setup_module(copy.deepcopy(teacher).eval()))
    module.train()
    count = max(1, len(images) // settings.batch_size)
    part = (bar or NoBar()).part("train", settings.epochs * count)
    for step, (pixels, labels) in enumerate(_epochs(images, settings, generator)):
        for group in optimizer.param_groups:
            group["lr"] = settings.rate(step / (settings.epochs * count))
        if settings.augment:
            pixels = augment(pixels, generator, shift=max(1, pixels.shape[-1] // 14))
        inputs = laid_out(normalize(pixels.to(fabric.device)), order)
        loss = objective(inputs, model(inputs), labels.to(fabric.device))
        _check(loss, step)
        optimizer.zero_grad()
        fabric.backward(loss)
        torch.nn.utils.clip_grad_norm_(module.parameters(), settings.clip)
        optimizer.step()
        part.advance(f"loss {float(loss.detach()):.3f}")
    optimizer.zero_grad()
    return module.to("cpu").eval()


def _optimizer(module: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        module.parameters(),
        lr=settings.learning_rate,
        momentum=settings.momentum,
        weight_decay=settings.weight_decay,
        nesterov=settings.momentum > 0,
    )


def _epochs(images: Images, settings: TrainSettings, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    size = min(settings.batch_size, len(images))
    for _ in range(settings.epochs):
        yield from batches(images, size, generator=generator, drop_last=True)


@dataclass
class _Objective:
    """Cross-entropy with smoothed labels, and the distance to a teacher."""

    settings: TrainSettings
    teacher: nn.Module | None

    def __call__(self, inputs: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        loss = functional.cross_entropy(logits, labels, label_smoothing=self.settings.label_smoothing)
        if self.teacher is None:
            return loss
        with torch.no_grad():
            target = self.teacher(inputs)
        distance = apart(logits, target, self.settings.temperature)
        return (1 - self.settings.distillation) * loss + self.settings.distillation * distance


def _check(loss: Tensor, step: int) -> None:
    if not math.isfinite(float(loss.detach())):
        raise RunError(f"the loss became {float(loss.detach())} at step {step}: try a lower learning_rate or clip")
