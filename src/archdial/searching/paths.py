"""How paths are drawn while the supernet's weights are trained: one architecture per step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from archdial.common.errors import unknown
from archdial.space import Architecture, Space

WHOLE = 0.25
"""How often a path of `KeptPaths` keeps everything."""
NARROW = 0.125
"""How often a path of `SandwichPaths` is the narrowest."""


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


class KeptPaths(Paths):
    """A share of choices that take their first option, keep, is drawn first, uniform in [0, 1]; often it is all.

    For networks that were trained before: one path in four is the untouched network, which the others learn from, so
    that the dial's accurate end remains what it was (the sandwich of Yu and Huang 2019).
    """

    def draw(self, generator: torch.Generator) -> Architecture:
        """Return a path in which each choice is kept with the share that was drawn."""
        share, whole = torch.rand(2, generator=generator).tolist()
        share = 1.0 if whole < WHOLE else share
        rest = self.space.mask.float()
        rest[:, 0] = 0
        others = rest.sum(1, keepdim=True)
        probabilities = rest / others.clamp_min(1) * (1 - share)
        probabilities[:, 0] = torch.where(others[:, 0] > 0, torch.tensor(share), torch.tensor(1.0))
        return self._pick(probabilities, generator)


class SandwichPaths(KeptPaths):
    """Those of `KeptPaths`, and often the narrowest: the largest, the smallest and random ones (Yu and Huang 2019).

    The narrowest drops nothing; of each choice it takes the last option of the kind that the first one has.
    """

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        same = [[kind == choice.kinds[0] for kind in choice.kinds] for choice in space.choices]
        self.narrowest = Architecture(tuple(len(kinds) - 1 - kinds[::-1].index(True) for kinds in same))

    def draw(self, generator: torch.Generator) -> Architecture:
        """Return the whole, the narrowest, or a path in which each choice is kept with a share that was drawn."""
        narrow = float(torch.rand((), generator=generator)) < NARROW
        drawn = super().draw(generator)
        return self.narrowest if narrow else drawn


PATHS: dict[str, Callable[[Space], Paths]] = {
    "uniform": UniformPaths,
    "shares": SharedPaths,
    "kept": KeptPaths,
    "sandwich": SandwichPaths,
}


def make_paths(name: str, space: Space) -> Paths:
    """Return the distribution called `name`, or raise UsageError."""
    if name not in PATHS:
        raise unknown("distribution of paths", name, PATHS)
    return PATHS[name](space)
