"""From inherited merit to merit after training, learned from a few trained members."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from archdial.refining.features import Features

SIZES = (0.0, 0.2, 0.7)
"""Standard deviations that each group of features may explain, of that of the trained scores."""
NOISE = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Standard deviations of what nothing explains: another seed gives another score."""
SLOPE, OFFSET = 0.5, 1.0
"""Standard deviations of how steeply trained merit grows with inherited merit, about 1, and of where it begins."""


class Correction:
    """Trained merit as a line in inherited merit plus a linear function of each group of features.

    A Gaussian process with linear kernels, that is Bayesian ridge regression (Rasmussen and Williams 2006, sections 2.1
    and 2.7). How much each group may explain is not chosen but averaged over, each setting weighed by its evidence
    (MacKay 1992): with few members no group has any, and what is left is a growing function of the inherited merit.
    """

    def __init__(self, features: Features, merits: Tensor) -> None:
        """Learn from the merits (n,) of n members that were trained, n ≥ 1."""
        self._trained = features
        self._from, self._step = _centre_and_scale(features.merit, None)
        self._to, self._unit = _centre_and_scale(merits, self._step)
        target = (merits.double() - self._to) / self._unit - self._inherited(features)
        self._kernels = _settings(len(features.groups))
        noise = self._kernels[:, -1].square()[:, None, None] * torch.eye(len(merits), dtype=torch.float64)
        lower = torch.linalg.cholesky(self._covariance(features, features) + noise)
        right = target.expand(len(lower), -1)[..., None]
        self._lower, self._solved = lower, torch.cholesky_solve(right, lower)
        fit = (right * self._solved).sum((1, 2)) / 2
        evidence = -fit - lower.diagonal(dim1=1, dim2=2).log().sum(1) - len(merits) / 2 * math.log(2 * math.pi)
        self._weight = torch.softmax(evidence, 0)

    def __call__(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return the merits (n,) that are expected after training, and their standard deviations."""
        across = self._covariance(self._trained, features)
        means = (across * self._solved).sum(1)
        white = torch.linalg.solve_triangular(self._lower, across, upper=False)
        own = self._own(features) - white.square().sum(1)
        mean = self._weight @ means
        # Of a mixture: the settings' own variance, and how far they are apart.
        variance = self._weight @ (own.clamp_min(0) + means.square()) - mean.square()
        expected = (mean + self._inherited(features)) * self._unit + self._to
        return expected, variance.clamp_min(0).sqrt() * self._unit

    def _inherited(self, features: Features) -> Tensor:
        return (features.merit - self._from) / self._step

    def _covariance(self, one: Features, other: Features) -> Tensor:
        """Return the prior covariance (settings, n, n') of what is learnt, noise aside."""
        slope = torch.outer(self._inherited(one), self._inherited(other)) * SLOPE**2 + OFFSET**2
        parts = torch.stack([a @ b.T for a, b in zip(one.groups, other.groups, strict=True)])
        return slope + torch.einsum("sg,gab->sab", self._kernels[:, :-1].square(), parts)

    def _own(self, features: Features) -> Tensor:
        """Return the prior variances (settings, n)."""
        slope = self._inherited(features).square() * SLOPE**2 + OFFSET**2
        parts = torch.stack([group.square().sum(1) for group in features.groups])
        return slope + self._kernels[:, :-1].square() @ parts


def left_out(features: Features, merits: Tensor) -> Tensor:
    """Return the merit (n,) that is expected of each of n ≥ 2 trained members by what the others alone have told."""
    places = range(len(merits))
    expected = []
    for place in places:
        others = [other for other in places if other != place]
        expected.append(Correction(features.at(others), merits[others])(features.at([place]))[0])
    return torch.cat(expected)


def _settings(groups: int) -> Tensor:
    """Return all settings (s, groups + 1): how much each group explains, and the noise."""
    rows = itertools.product(*[SIZES] * groups, NOISE)
    return torch.tensor(list(rows), dtype=torch.float64)


def _centre_and_scale(values: Tensor, otherwise: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of (n,) values; where so few have none worth the name, `otherwise` or 1."""
    values = values.double()
    deviation = values.std() if len(values) > 2 else torch.zeros((), dtype=torch.float64)
    if deviation < 1e-6:
        deviation = torch.ones((), dtype=torch.float64) if otherwise is None else otherwise
    return values.mean(), deviation
