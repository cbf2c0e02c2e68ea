"""Relaxations by name: from logits to option weights for one step of training."""

from __future__ import annotations

from archdial.common.errors import unknown
from archdial.relaxation.dirichlet import Dirichlet
from archdial.relaxation.gumbel_softmax import GumbelSoftmax
from archdial.relaxation.reinmax import ReinMax
from archdial.relaxation.relaxation import Relaxation
from archdial.relaxation.sigmoid import Sigmoid
from archdial.relaxation.softmax import Softmax
from archdial.relaxation.straight_through import StraightThrough
from archdial.relaxation.temperature import Temperature
from archdial.relaxation.two_paths import TwoPaths
from archdial.space import Space

__all__ = [
    "RELAXATIONS",
    "Dirichlet",
    "GumbelSoftmax",
    "ReinMax",
    "Relaxation",
    "Sigmoid",
    "Softmax",
    "StraightThrough",
    "Temperature",
    "TwoPaths",
    "make_relaxation",
]

RELAXATIONS: dict[str, type[Relaxation]] = {
    variant.name: variant
    for variant in (Softmax, GumbelSoftmax, StraightThrough, ReinMax, TwoPaths, Dirichlet, Sigmoid)
}


def make_relaxation(name: str, space: Space) -> Relaxation:
    """Return the relaxation called `name` over `space`.

    Raises:
        UsageError: the name is unknown.
    """
    if name not in RELAXATIONS:
        raise unknown("relaxation", name, RELAXATIONS)
    return RELAXATIONS[name](space)
