"""How paths are drawn while the supernet's weights are trained: one architecture a step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from archdial.errors import unknown
from archdial.space import Architecture, Space


class Paths(ABC):
    """A distribution of architectures to train or to evaluate."""

    def __init__(self, space: Space) -> None:
        self.space = space

    @abstractmethod
    def draw(self, generator: torch.Generator) -> Architecture:
        """Return the next path."""

    def _pick(self, probabilities: Tensor, generator: torch.Generator) -> Architecture:
        rows = torch.multinomial(probabilities, 1, generator=generator).squeeze(1)
        return Architecture(tuple(rows.tolist()))


class UniformPaths(Paths):
    """Each option of a choice equally likely (single-path one-shot, Guo et al. 2020)."""

    def draw(self, generator: torch.Generator) -> Architecture:
        """Return a path with options drawn independently."""
        return self._pick(self.space.mask.float(), generator)


class SharedPaths(Paths):
    """The shares of the kinds are drawn from Dirichlet(1/2) first, then each option by the shares.

    With m choices, independent uniform draws nearly never come close to a corner, where all choices take one kind; but
    the ends of a dial lie there, so their weights must have been trained together too.
    """

    def draw(self, generator: torch.Generator) -> Architecture:
        """Return a path whose kinds occur in shares that were drawn for it."""
        # Squares of normal variates are Gamma(1/2), so that their shares are Dirichlet(1/2).
        squares = torch.randn(len(self.space.kinds), generator=generator).square() + 1e-6
        shares = squares / squares.sum()
        likely = torch.einsum("q,qmk->mk", shares, self.space.membership)
        return self._pick(likely, generator)


PATHS: dict[str, Callable[[Space], Paths]] = {
    "uniform": UniformPaths,
    "shares": SharedPaths,
}


def make_paths(name: str, space: Space) -> Paths:
    """Return the distribution called `name`, or raise UsageError."""
    if name not in PATHS:
        raise unknown("distribution of paths", name, PATHS)
    return PATHS[name](space)
