"""A toy family of 1,024 architectures whose accuracies follow a known law, so that every optimum is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from archdial.data import Normalize
from archdial.dial import Scalar
from archdial.families.family import Family
from archdial.hypernet import make_hypernet
from archdial.searching.evaluation import Evaluated
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import MIXED, counted_table, drawn, textures, tiny

IMPORTANCE = (0.35, 0.25, 0.20, 0.12, 0.08)
WORTH = {"none": 0.0, "identity": 0.35, "max_pool_3x3": 0.5, "sep_conv_3x3": 1.0}


@dataclass
class Toy:
    """A family with one normal cell of two nodes: five choices of four options."""

    family: Family
    every: list[Architecture]

    @staticmethod
    def accuracy(architecture: Architecture) -> float:
        """The law: from 0.5, where nothing is taken, to 0.9, where all are convolutions."""
        return 0.5 + 0.4 * sum(w * WORTH[MIXED[o]] for w, o in zip(IMPORTANCE, architecture.options, strict=True))

    def best(self, candidates: Sequence[Architecture] | None = None, **limits: float) -> float:
        """The best accuracy of `candidates`, by default of all architectures, within limits by column."""
        costs = self.family.costs
        meeting = [
            self.accuracy(a)
            for a in (self.every if candidates is None else candidates)
            if all(costs[column].of(a) <= limit * (1 + 1e-9) for column, limit in limits.items())
        ]
        return max(meeting, default=0.0)


def make_toy(evaluated: int | None = 120, steps: int = 150) -> Toy:
    network = tiny(in_channels=1, classes=4, cells=1)
    every = [Architecture(o) for o in itertools.product(range(4), repeat=5)]
    seen = every if evaluated is None else list(dict.fromkeys(drawn(network.space, evaluated, seed=5)))
    archive = tuple(Evaluated(a, Toy.accuracy(a), 2 * (1 - Toy.accuracy(a)), ACCURACY) for a in seen)
    torch.manual_seed(0)
    predictor = ErrorPredictor(network.space)
    predictor.fit(archive, torch.Generator().manual_seed(0), steps)
    hypernet = make_hypernet("linear", network.space, 1)
    with torch.no_grad():
        # All convolutions at the accurate end, all identities at the cheap one; what matters least goes first.
        hypernet.offset.zero_()[:, 3] = 5.0
        hypernet.slope.zero_()[0, :, 1] = 5.0 / torch.linspace(0.8, 0.2, 5)
    family = Family(
        network=network,
        hypernet=hypernet,
        dial=Scalar(0.01, 10.0),
        predictor=predictor,
        table=counted_table(network),
        normalize=Normalize((0.3,), (0.25,)),
        calibration=textures(48).pixels,
        archive=archive,
        classes=("columns", "rows", "chess", "plain"),
        info={"seed": 0},
    )
    return Toy(family, every)
