"""Architectures drawn at random, over the whole range of cost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import torch

from archdial.comparing.baselines.baseline import Judge, Search
from archdial.families.family import Family
from archdial.networks.pretrained import Pretrained
from archdial.searching.paths import make_paths
from archdial.space import Architecture

TRIES = 100
"""Draws for each evaluation before a space counts as used up: a small one has fewer architectures than the budget."""

MEMBERS = 24
"""Architectures of `Drawn`."""


class Random(Search):
    """Draw a share first, then each option by it: gates are kept with it, kinds of cells occur with it.

    Independent uniform draws of all choices would nearly all cost the same, and make a weak baseline.
    """

    name: ClassVar[str] = "random"

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Draw distinct architectures until the budget is used up."""
        for architecture in draws(family, TRIES * judge.left, generator):
            if not judge.left:
                return
            judge(architecture)


class Drawn(Search):
    """A few of the same draws as they come, whatever their score: the pruning paper's random (Borodin 2023).

    `Random` keeps the best of as many evaluations as the search had, and so is a search itself.
    """

    name: ClassVar[str] = "drawn"
    chooses: ClassVar[bool] = False

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Draw 24 distinct architectures, or as many as the budget has."""
        for architecture in draws(family, TRIES * MEMBERS, generator):
            if not judge.left or len(judge.seen) == MEMBERS:
                return
            judge(architecture)


def draws(family: Family, count: int, generator: torch.Generator) -> Iterator[Architecture]:
    """Yield `count` architectures, each with its own share of what is kept or of the kinds."""
    network = family.network
    paths = make_paths("kept" if isinstance(network, Pretrained) else "shares", network.space)
    return (network.canonical(paths.draw(generator)) for _ in range(count))
