"""The cheapest and the most expensive architecture under a cost that is linear in the weights of each choice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from archdial.space import Architecture, Space

_RANDOM_STARTS = 16
_NOISE = 1e-12  # relative; a smaller gain is rounding, and following it may run in a circle


class Ends(ABC):
    """What a cost has an end of, found when first asked for: who picks by one budget needs the ends of no other."""

    space: Space

    @abstractmethod
    def of(self, architecture: Architecture) -> float:
        """Return the exact cost of `architecture`."""

    @abstractmethod
    def _descended(self, weights: Tensor) -> Tensor:
        """Return what orders architectures as their cost does, (…) of weights (…, m, k), linear in each choice."""

    def extremes(self) -> tuple[Architecture, Architecture]:
        """Return the cheapest and the most expensive architecture.

        Exact where each term is over one choice at most; else the best of a descent from several starts,
        which no change of a single option betters.
        """
        return self._cheapest, self._dearest

    @cached_property
    def lowest(self) -> float:
        """The least cost of an architecture, as exact as `extremes`."""
        return self.of(self._cheapest)

    @cached_property
    def highest(self) -> float:
        """The largest cost of an architecture, as exact as `extremes`."""
        return self.of(self._dearest)

    @cached_property
    def _cheapest(self) -> Architecture:
        return cheapest(self._descended, self.space)

    @cached_property
    def _dearest(self) -> Architecture:
        return cheapest(lambda weights: -self._descended(weights), self.space)


def starts(space: Space) -> Tensor:
    """Return one-hot weights (s, m, k) to descend from: each option everywhere, and some at random."""
    generator = torch.Generator().manual_seed(0)
    uniform = [space.uniform(option) for option in space.options]
    return space.one_hots(uniform + [space.random(generator) for _ in range(_RANDOM_STARTS)]).double()


def cheapest(cost: Callable[[Tensor], Tensor], space: Space) -> Architecture:
    """Return the architecture of least `cost`, a function of weights (s, m, k) to (s,).

    Steepest descent from all of `starts` at once, one option of one choice a step. Where no term is over
    several choices the result is exact; else it is one that no change of a single option makes cheaper.
    """
    weights = starts(space)
    mask = space.mask
    while True:
        change = _changes(cost, weights).masked_fill(~mask, torch.inf)
        best, where = change.flatten(1).min(1)
        moving = (best < -_NOISE * change[:, mask].abs().max()).nonzero().flatten()
        if not len(moving):
            return space.argmax(weights[cost(weights).argmin()])
        weights = _moved(weights, moving, where[moving])


def _changes(cost: Callable[[Tensor], Tensor], weights: Tensor) -> Tensor:
    """Return (s, m, k): by how much the cost changes when the option is taken instead.

    The cost is linear in each choice, so up to a constant its gradient is what each option would cost.
    """
    with torch.enable_grad():
        leaf = weights.detach().requires_grad_()
        (price,) = torch.autograd.grad(cost(leaf).sum(), leaf)
    return price - (price * weights).sum(-1, keepdim=True)


def _moved(weights: Tensor, rows: Tensor, where: Tensor) -> Tensor:
    """Return `weights` with the option at flat position `where` taken in each of `rows`."""
    choice, option = where // weights.shape[-1], where % weights.shape[-1]
    result = weights.clone()
    result[rows, choice] = 0.0
    result[rows, choice, option] = 1.0
    return result
