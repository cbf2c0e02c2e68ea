"""Accuracy and latency of built members, measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from archdial.cost.profile import measure_many, warn_noisy
from archdial.data import Images, Normalize, SearchData
from archdial.family import Family
from archdial.member import Member
from archdial.progress import Bar, NoBar
from archdial.searching.evaluation import Evaluator
from archdial.space import Architecture


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


def evaluator_of(family: Family, data: SearchData, images: int) -> Evaluator:
    """Return who evaluates as the search did: by the first validation images, with inherited weights."""
    count = min(images, len(data.validation))
    network = family.network
    pixels, labels = family.normalize(data.validation.pixels[:count]), data.validation.labels[:count]
    return Evaluator(network, family.normalize(family.calibration), pixels, labels)


def measured(
    members: Sequence[Member], images: Images, split: str, *, repeats: int = 20, bar: Bar | NoBar | None = None
) -> list[Member]:
    """Return `members` with accuracy on `images` and the latency of their built modules, each distinct one once."""
    if not members:
        return []
    judged = with_accuracy(members, images, split, bar=bar)
    found = latencies(members[0].family, [member.architecture for member in members], repeats=repeats, bar=bar)
    return [replace(m, latency_ms=found[m.architecture], latency_from="measured") for m in judged]


def with_accuracy(
    members: Sequence[Member], images: Images, split: str, *, bar: Bar | NoBar | None = None
) -> list[Member]:
    """Return `members` with the accuracy of their built modules on `images`, which are of `split`."""
    distinct = {member.architecture: member for member in members}
    part = (bar or NoBar()).part("accuracy", len(distinct))
    found = {}
    for architecture, member in distinct.items():
        found[architecture] = accuracy(member.build(), images, member.family.normalize)
        part.advance()
    return [
        replace(member, accuracy=found[member.architecture], accuracy_from="measured", accuracy_split=split)
        for member in members
    ]


def latencies(
    family: Family, architectures: Sequence[Architecture], *, repeats: int = 20, bar: Bar | NoBar | None = None
) -> dict[Architecture, float]:
    """Return the median milliseconds of a batch in the built module of each architecture.

    Taken under the conditions of the family's table, its device, runtime, batch size and threads, and in the same
    rounds for all: machines have slow phases, and what was measured in different ones does not compare. What stays too
    noisy to be relied on is warned of, as NoisyMeasurement. Repeated no more often than the parts of the table were.
    """
    distinct = list(dict.fromkeys(architectures))
    conditions = family.table.runtime
    # Times do not depend on BatchNorm's statistics: the network's own build does without taking them anew.
    timings = measure_many(
        [(family.network.build(architecture), family.network.input_shape) for architecture in distinct],
        batch_size=int(conditions["batch_size"]),
        threads=int(conditions["threads"]),
        runtime=str(conditions["runtime"]),
        device=str(conditions["device"]),
        repeats=min(repeats, conditions.get("repeats", repeats)),
        progress=(bar or NoBar()).part("latency", 1).upto,
    )
    warn_noisy([f"member {n}" for n, timing in enumerate(timings) if timing.noisy], len(timings))
    return {architecture: timing.median_ms for architecture, timing in zip(distinct, timings, strict=True)}
