"""Latency of parts of one family by size: a monotonic surface fitted to the measured ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy
from numpy.typing import NDArray

Array = NDArray[numpy.float64]
Features = Callable[[Array], Array]

_FOLDS = 8
_WIDE_KERNEL = 16.0
"""Channels that a kernel computes at once: one more takes as long as sixteen more."""
_NUGGET = 0.05
"""Share of a deviation from the rule that is taken for noise."""
_TINY = 1e-9


@dataclass(frozen=True)
class Surface:
    """Milliseconds = a polynomial of the sizes with no factor below zero × what near ones were off it.

    Attributes:
        features: of sizes (n, sizes), none of which falls as one of them grows.
        reach: how far what one is off tells of others, where 1 is from the smallest to the largest, in ratios; with 0
            it tells of none.
        sizes: of those that were measured (m, sizes).
        factors: of the features.
        pulls: how strongly each that was measured pulls (m,).
    """

    features: Features
    reach: float
    sizes: Array
    factors: Array
    pulls: Array

    @classmethod
    def through(cls, sizes: Array, taken: Array, features: Features, reach: float) -> Surface:
        """Return the surface of least squared relative error, from sizes (m, sizes) and milliseconds (m,)."""
        from scipy.optimize import nnls

        columns = features(sizes)
        scale = numpy.maximum(columns.max(0), _TINY)
        factors = numpy.asarray(nnls(columns / scale / taken[:, None], numpy.ones(len(taken)))[0] / scale, float)
        rule = cls(features, reach, sizes, factors, numpy.zeros(len(taken)))
        if not reach:
            return rule
        off = numpy.log(taken / rule._rule(sizes))
        pulls = numpy.linalg.solve(rule._nearness(sizes) + _NUGGET * numpy.eye(len(taken)), off)
        return replace(rule, pulls=numpy.asarray(pulls, float))

    def at(self, sizes: Array) -> Array:
        """Return milliseconds (n,) at sizes (n, sizes), none of which falls from one to a larger one of them.

        Where what is near was off such that it would, it is halfway between the least that never falls and lies
        nowhere below, and the most that lies nowhere above.
        """
        every = numpy.vstack([sizes, self.sizes])
        taken = self._rule(every) * numpy.exp(self._nearness(every) @ self.pulls) if self.reach else self._rule(every)
        below = (every[:, None] <= every[None]).all(2)
        above = numpy.where(below, taken[:, None], -numpy.inf).max(0)
        under = numpy.where(below, taken[None], numpy.inf).min(1)
        return numpy.asarray((above + under) / 2.0)[: len(sizes)]

    def _rule(self, sizes: Array) -> Array:
        return numpy.maximum(self.features(sizes) @ self.factors, _TINY)

    def _nearness(self, sizes: Array) -> Array:
        low, spans = numpy.log(self.sizes).min(0), numpy.maximum(numpy.ptp(numpy.log(self.sizes), axis=0), _TINY)
        here, there = ((numpy.log(each) - low) / spans for each in (sizes, self.sizes))
        return numpy.asarray(numpy.exp(-(((here[:, None] - there) / self.reach) ** 2).sum(2) / 2.0))


def best_surface(sizes: Array, taken: Array, corners: int) -> tuple[Surface, Array]:
    """Return the surface that tells best what was left out of it, and by how much it missed each, relative and signed.

    Args:
        sizes: of what was measured (m, sizes), the corners first.
        taken: milliseconds (m,).
        corners: how many these are; they are in every fit, as whatever is asked for lies between them.
    """
    taken = numpy.maximum(taken, _TINY)
    trials = {trial: _missed(sizes, taken, corners, *trial) for trial in itertools.product(_FEATURES, _REACHES)}
    best = min(trials, key=lambda trial: float(numpy.abs(trials[trial]).mean()))
    return Surface.through(sizes, taken, *best), trials[best]


def _missed(sizes: Array, taken: Array, corners: int, features: Features, reach: float) -> Array:
    missed = numpy.zeros(len(taken) - corners)
    folds = min(_FOLDS, len(missed))
    for fold in range(folds):
        out = numpy.flatnonzero(numpy.arange(len(missed)) % folds == fold) + corners
        kept = numpy.setdiff1d(numpy.arange(len(taken)), out)
        found = Surface.through(sizes[kept], taken[kept], features, reach)
        missed[out - corners] = found.at(sizes[out]) / taken[out] - 1.0
    return missed


def products(sizes: Array) -> Array:
    """Return 1, each of the sizes (n, sizes), and the products of any of them."""
    every = itertools.chain.from_iterable(
        itertools.combinations(range(sizes.shape[1]), count) for count in range(sizes.shape[1] + 1)
    )
    return numpy.stack([sizes[:, list(some)].prod(1) for some in every], axis=1)


def stepped(sizes: Array) -> Array:
    """Return the products, and those of sizes rounded up to what a kernel computes at once."""
    return numpy.hstack([products(sizes), products(numpy.ceil(sizes / _WIDE_KERNEL) * _WIDE_KERNEL)[:, 1:]])


def steeper(sizes: Array) -> Array:
    """Return the products, and a power above 1 of that of all: what no longer fits into a cache is slower."""
    return numpy.hstack([products(sizes), sizes.prod(1, keepdims=True) ** 1.5])


_FEATURES: tuple[Features, ...] = (products, stepped, steeper)
_REACHES = (0.0, 0.35, 0.7)
