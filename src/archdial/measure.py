"""Accuracy and latency of built members, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from archdial.cost.profile import measure_many
from archdial.data import Images, Normalize
from archdial.member import Member
from archdial.progress import Bar, NoBar


@torch.inference_mode()
def accuracy(module: nn.Module, images: Images, normalize: Normalize, batch_size: int = 500) -> float:
    """Return the share in [0, 1] of `images` that `module` classifies rightly."""
    module.eval()
    right = 0
    for pixels, labels in zip(
        torch.split(images.pixels, batch_size), torch.split(images.labels, batch_size), strict=True
    ):
        right += int((module(normalize(pixels)).argmax(1) == labels).sum())
    return right / len(images)


def measured(
    members: Sequence[Member],
    images: Images,
    split: str,
    *,
    repeats: int = 20,
    bar: Bar | NoBar | None = None,
) -> list[Member]:
    """Return `members` with accuracy on `images` and the latency of their built modules, each distinct one once.

    Latencies are taken under the conditions of the family's table: its runtime, batch size and threads.
    """
    if not members:
        return []
    bar = bar or NoBar()
    distinct = list({member.architecture: member for member in members}.values())
    modules = [member.build() for member in distinct]
    part = bar.part("accuracy", len(distinct))
    accuracies = []
    for member, module in zip(distinct, modules, strict=True):
        accuracies.append(accuracy(module, images, member.family.normalize))
        part.advance()
    latencies = _latencies(distinct, modules, repeats, bar)
    figures = {m.architecture: (a, t) for m, a, t in zip(distinct, accuracies, latencies, strict=True)}
    return [
        replace(
            member,
            accuracy=figures[member.architecture][0],
            accuracy_from="measured",
            accuracy_split=split,
            latency_ms=figures[member.architecture][1],
            latency_from="measured",
        )
        for member in members
    ]


def _latencies(members: Sequence[Member], modules: Sequence[nn.Module], repeats: int, bar: Bar | NoBar) -> list[float]:
    family = members[0].family
    conditions = family.table.runtime
    timings = measure_many(
        [(module, family.network.input_shape) for module in modules],
        batch_size=int(conditions["batch_size"]),
        threads=int(conditions["threads"]),
        runtime=str(conditions["runtime"]),
        device=str(conditions["device"]),
        repeats=repeats,
        progress=bar.part("latency", len(modules)).upto,
    )
    return [timing.median_ms for timing in timings]
