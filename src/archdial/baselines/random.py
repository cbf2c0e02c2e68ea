"""Architectures drawn at random, over the whole range of cost."""

from __future__ import annotations

from typing import ClassVar

import torch

from archdial.baselines.base import Baseline, Judge
from archdial.family import Family
from archdial.searching.paths import make_paths

TRIES = 100
"""Draws for each evaluation before a space counts as used up: a small one has fewer architectures than the budget."""


class Random(Baseline):
    """Draw a share first, then each option by it: gates are kept with it, kinds of cells occur with it.

    Independent uniform draws of all choices would nearly all cost the same, and make a weak baseline.
    """

    name: ClassVar[str] = "random"

    def search(self, family: Family, judge: Judge, generator: torch.Generator) -> None:
        """Draw distinct architectures until the budget is used up."""
        network = family.network
        paths = make_paths("kept" if network.pretrained else "shares", network.space)
        for _ in range(TRIES * judge.left):
            if not judge.left:
                return
            judge(network.canonical(paths.draw(generator)))
