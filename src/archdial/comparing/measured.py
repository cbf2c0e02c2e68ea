"""Measured score and latency of built members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from archdial.common.progress import Bar, NoBar
from archdial.data import Seen
from archdial.data.loaders import split_of
from archdial.data.split import Split
from archdial.families.family import Family
from archdial.families.member import Member
from archdial.families.timed import with_latency
from archdial.searching.evaluation import EVALUATED, Evaluator, Examples
from archdial.tasks.calls import called
from archdial.tasks.task import Task

__all__ = ["evaluator_of", "evaluator_on", "measured", "score", "with_latency", "with_score"]


@torch.inference_mode()
def score(module: nn.Module, data: object, task: Task, batch_size: int = 500, limit: int | None = None) -> float:
    """Return how good `module` is at `task` on `data`, by the task's measure, such as accuracy in [0, 1].

    Args:
        module: on the CPU; it is put into eval mode, and stays in it.
        data: images in memory, a Dataset, a DataLoader, or an iterable of batches.
        task: what the module is for.
        batch_size: examples per batch, if `data` are images in memory or a Dataset.
        limit: maximum number of examples, taken from the start.

    Raises:
        UsageError: the data are empty or of another kind, targets do not fit the outputs, or the library that computes
            the score is missing.
    """
    module.eval()
    found = task.score()
    for batch in split_of(data, "test").in_order(batch_size, limit):
        found.add(called(module, task.inputs(batch, torch.device("cpu"))), batch)
    return found.value()


def evaluator_of(family: Family, data: Seen, images: int) -> Evaluator:
    """Return who evaluates as the search did: by the first validation images, with inherited weights."""
    return evaluator_on(family, data.validation, images)


def evaluator_on(family: Family, examples: Split, count: int) -> Evaluator:
    """Return who evaluates by the first `count` of `examples`, with inherited weights."""
    task, here = family.task, torch.device("cpu")
    batches = partial(examples.in_order, EVALUATED, count)
    seen = Examples(batches, lambda batch: task.inputs(batch, here), task.prepared)
    return Evaluator(family.network, family.calibrating, seen, task)


def measured(
    members: Sequence[Member], images: Split, split: str, *, repeats: int = 20, bar: Bar | NoBar | None = None
) -> list[Member]:
    """Return `members` with their score on `images` and the latency of their built modules, each distinct one once."""
    return with_latency(with_score(members, images, split, bar=bar), repeats=repeats, bar=bar)


def with_score(members: Sequence[Member], images: Split, split: str, *, bar: Bar | NoBar | None = None) -> list[Member]:
    """Return `members` with the score of their built modules on `images`, which are of `split`."""
    distinct = {member.identity: member for member in members}
    name = members[0].measure.name if members else "score"
    part = (bar or NoBar()).part(name, len(distinct))
    found = {}
    for identity, member in distinct.items():
        found[identity] = score(member.build(), images, member.family.task)
        part.advance()
    return [
        replace(member, score=found[member.identity], score_from="measured", score_split=split) for member in members
    ]
