"""Relaxed against discrete score along the dial: on the identity line, nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from archdial.common.progress import Bar, NoBar
from archdial.comparing.measured import evaluator_of
from archdial.data import Seen
from archdial.families.family import Family
from archdial.networks.statistics import restore, statistics_of
from archdial.space import Architecture


@dataclass(frozen=True)
class Pair:
    """Scores on validation images at one dial position."""

    dial: float | list[float]
    relaxed: float
    discrete: float

    def to_json(self) -> dict[str, Any]:
        """Return the pair as an object of experiments.json."""
        return {"dial": self.dial, "relaxed": self.relaxed, "discrete": self.discrete}


def pairs(family: Family, data: Seen, images: int, *, count: int = 24, bar: Bar | NoBar | None = None) -> list[Pair]:
    """Return both scores at about `count` positions of the dial.

    Relaxed, each option is weighed by its probability, softmax of the logits at temperature 1; discrete, the likeliest
    is taken. BatchNorm's statistics are recomputed for both.
    """
    evaluate, before = evaluator_of(family, data, images), statistics_of(family.network)
    grid = family.dial.grid(count)
    with torch.no_grad():
        probabilities = torch.softmax(family.hypernet(family.dial.encode(grid)), -1)
    part, found = (bar or NoBar()).part("relaxed and discrete", len(grid)), []
    discrete: dict[Architecture, float] = {}
    for z, weights in zip(grid, probabilities, strict=True):
        chosen = family.space.argmax(weights)
        if chosen not in discrete:
            # Of the supernet's weights also where nothing is dropped: only the relaxation is to differ.
            discrete[chosen] = evaluate.relaxed(family.space.one_hot(chosen))
        found.append(Pair(family.dial.value(z), evaluate.relaxed(weights), discrete[chosen]))
        part.advance()
    restore(family.network, before)
    return found


def mean_difference(found: Sequence[Pair]) -> float:
    """Return the mean of |relaxed − discrete|."""
    return sum(abs(pair.relaxed - pair.discrete) for pair in found) / len(found)
