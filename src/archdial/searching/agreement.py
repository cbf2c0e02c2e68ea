"""Several noisy views of one quality: how much each is trusted is learned from how well they agree.

Of a search's architectures nobody knows the truth. What is known are views of it: the score with inherited weights, how
large the network is, what proxies say of it untrained. Each is wrong in a way of its own, so what they have in common
is the best guess at what they all look at. This is the factor analysis of Spearman (1904), with one factor q:

    z_g = λ_g q + ε_g,   q ~ N(0, 1),   ε_g ~ N(0, 1 − λ_g²), independent,

fitted to the correlations of the views by expectation and maximisation (Rubin and Thayer 1982), equations 4 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy
import torch
from numpy.typing import NDArray

Array = NDArray[numpy.float64]

MOST = 0.9
"""λ² of a view at most: two that err alike would otherwise be taken for the truth, and all others for noise."""
FURTHEST = 4.0
"""Standard deviations from the mean, at most, beyond what was seen."""
_ROUNDS, _FLAT, _LEAST = 500, 1e-9, 1e-4


@dataclass(frozen=True)
class Scale:
    """A monotone map through points, straight beyond them.

    Attributes:
        points, values: (k,) each, both increasing or the values falling.
        slope: of the lines beyond the ends, as between the deciles of the sample it was made of.
    """

    points: Array
    values: Array
    slope: float

    @classmethod
    def between(cls, points: Array, values: Array) -> Self:
        """Return the map that takes `points` (n,) to `values` (n,) in order, equal points to their mean."""
        order = numpy.argsort(points, kind="stable")
        kept, group, count = numpy.unique(points[order], return_inverse=True, return_counts=True)
        means = numpy.bincount(group, values[order]) / count
        low, high = numpy.quantile(points, (0.1, 0.9))
        rise = numpy.interp(high, kept, means) - numpy.interp(low, kept, means)
        return cls(kept, means, float(rise / (high - low)) if high > low else 0.0)

    @classmethod
    def normal(cls, sample: Array) -> Self:
        """Return the map that makes a normal distribution of `sample` (n,), by its ranks alone."""
        order = numpy.sort(sample)
        shares = (torch.arange(len(sample), dtype=torch.float64) + 0.5) / len(sample)
        return cls.between(order, torch.special.ndtri(shares).numpy())

    def __call__(self, found: Array) -> Array:
        """Map (n,) to (n,)."""
        beyond = found - numpy.clip(found, self.points[0], self.points[-1])
        result: Array = numpy.interp(found, self.points, self.values) + self.slope * beyond
        return result


@dataclass(frozen=True)
class Agreement:
    """What views say, brought to one quality.

    Attributes:
        views: of each group the numbers of its views, of which the mean counts as one: they err alike.
        scales: of each view, from what it says to normal scores over the sample.
        spread: (g,) standard deviation of the mean of each group over the sample.
        loadings: (g,) λ, how far each group is trusted: its correlation with what all have in common, at least 0.
    """

    views: tuple[tuple[int, ...], ...]
    scales: tuple[Scale, ...]
    spread: Array
    loadings: Array

    @classmethod
    def among(cls, sample: Array, groups: Sequence[str]) -> Self:
        """Return the agreement over `sample` (n, v), of which each of v views belongs to one of `groups`."""
        names = list(dict.fromkeys(groups))
        views = tuple(tuple(number for number, group in enumerate(groups) if group == name) for name in names)
        scales = tuple(Scale.normal(column) for column in sample.T)
        raw = _means(sample, scales, views)
        spread = raw.std(0)
        # What is the same for all is no view, but for the rounding of a mean.
        spread[spread < _FLAT] = numpy.inf
        scaled = raw / spread
        return cls(views, scales, spread, loadings(scaled.T @ scaled / len(scaled)))

    def quality(self, found: Array) -> Array:
        """Return the quality (n,) of what was `found` (n, v): the sum of its scores, weighted by trust.

        By λ, not by λ / (1 − λ²), which would be best if no two views erred alike: views of untrained networks do, and
        the one nearest to what they share would then be heard alone.
        """
        scores = (_means(found, self.scales, self.views) / self.spread).clip(-FURTHEST, FURTHEST)
        result: Array = scores @ self.loadings
        return result


def _means(found: Array, scales: Sequence[Scale], views: Sequence[Sequence[int]]) -> Array:
    """Return normal scores (n, g) of what was `found` (n, v), each a mean over a group."""
    scores = numpy.stack([scale(column) for scale, column in zip(scales, found.T, strict=True)], 1)
    return numpy.stack([scores[:, list(numbers)].mean(1) for numbers in views], 1)


def loadings(correlations: Array) -> Array:
    """Return λ (g,) of the one factor that explains `correlations` (g, g) best, by EM; none below 0.

    A view that disagrees with all others is not trusted at all: each of them says that more is better. All are 0 where
    no two agree.
    """
    found = numpy.full(len(correlations), 0.7)
    for _ in range(_ROUNDS):
        noise = 1 - found**2
        precision = 1 + float((found**2 / noise).sum())
        # E[q | z] = regression · z, and the second moment of q over the sample.
        regression = found / noise / precision
        moment = 1 / precision + float(regression @ correlations @ regression)
        found = (correlations @ regression / moment).clip(0, MOST**0.5)
        found[numpy.diag(correlations) == 0] = 0.0
    found[found < _LEAST] = 0.0
    # What one view alone sees, no other speaks for.
    return found if (found > 0).sum() > 1 else numpy.zeros_like(found)
