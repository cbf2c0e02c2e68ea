"""What the sum of the parts leaves out, fitted to whole networks: a constant, a scale and a launch for each kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy
from numpy.typing import NDArray

from archdial.metrics import kendall_tau

Array = NDArray[numpy.float64]

FEWEST = 10
"""Whole networks, below which nothing is fitted."""
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Of the ridge penalty, tried by cross-validation."""
FOLDS = 5
WITHIN = 0.1
_LEAST = 1e-3


@dataclass(frozen=True)
class Agreement:
    """How far predictions are from what was measured.

    Attributes:
        mean_error: mean of |predicted − measured| / measured.
        within: share of networks for which that is at most 10 %.
        kendall: Kendall's τ of the two rankings; 0 where one of them is flat.
    """

    mean_error: float
    within: float
    kendall: float

    @classmethod
    def of(cls, predicted: Sequence[float] | Array, measured: Sequence[float] | Array) -> Agreement:
        """Return the agreement of two (networks,)."""
        given, real = numpy.asarray(predicted, float), numpy.asarray(measured, float)
        error = numpy.abs(given / real - 1.0)
        ranks = kendall_tau(list(given), list(real))
        return cls(float(error.mean()), float((error <= WITHIN).mean()), float(numpy.nan_to_num(ranks)))


@dataclass(frozen=True)
class Work:
    """What the parts of one network are, by kind: how many, and their milliseconds alone without the launch of each."""

    count: Mapping[str, int] = field(default_factory=dict)
    busy_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """Latency of a network = constant + Σ over its parts of scale × (latency alone − launch) + cost of the launch.

    Attributes:
        launch_ms: what a part alone takes that does next to nothing: to be called, and to hand over its tensors.
        constant_ms: what every network takes beside its parts.
        scales: factor of each kind of part.
        launches_ms: what is left of the launch in a whole network, for a part of each kind.
        networks: how many whole networks it was fitted to.
        held_out: agreement on networks held out, by cross-validation.
        plain: agreement of the plain sum of the parts.
    """

    launch_ms: float
    constant_ms: float
    scales: Mapping[str, float]
    launches_ms: Mapping[str, float]
    networks: int
    held_out: Agreement
    plain: Agreement

    def of(self, kind: str, latency_ms: float) -> float:
        """Return what a part takes in a whole network, by its milliseconds alone."""
        return self.scales[kind] * max(0.0, latency_ms - self.launch_ms) + self.launches_ms[kind]


def fit(
    works: Sequence[Work], summed: Sequence[float], measured: Sequence[float], kinds: Sequence[str], launch_ms: float
) -> Fit:
    """Fit constant, scales and launches, none below zero, to relative errors.

    Scales and launches of the kinds are drawn towards those of a fit in which all kinds have the same, by ridge
    regression; its strength is chosen by cross-validation.

    Args:
        works: (networks,) what each consists of; at least FEWEST.
        summed: (networks,) milliseconds, the plain sums of their parts.
        measured: (networks,) milliseconds.
        kinds: all that there are; those that no network has get the common scale and launch.
        launch_ms: what a part alone takes that does next to nothing.
    """
    busy = numpy.array([[work.busy_ms.get(kind, 0.0) for kind in kinds] for work in works])
    count = numpy.array([[work.count.get(kind, 0) for kind in kinds] for work in works], float)
    # Launches are in units of that of a part alone, so that all features are milliseconds.
    features = numpy.hstack([busy, count * launch_ms])
    real = numpy.asarray(measured, float)
    trials = {strength: _held_out(features, real, strength) for strength in STRENGTHS}
    strength = min(trials, key=lambda s: trials[s].mean_error)
    constant, factors = _solve(features, real, strength)
    scales, launches = numpy.split(factors, 2)
    return Fit(
        launch_ms=launch_ms,
        constant_ms=constant,
        scales=dict(zip(kinds, map(float, scales), strict=True)),
        launches_ms=dict(zip(kinds, map(float, launches * launch_ms), strict=True)),
        networks=len(real),
        held_out=trials[strength],
        plain=Agreement.of(summed, real),
    )


def _held_out(features: Array, real: Array, strength: float) -> Agreement:
    predicted = numpy.empty_like(real)
    for fold in range(FOLDS):
        out = numpy.arange(len(real)) % FOLDS == fold
        constant, factors = _solve(features[~out], real[~out], strength)
        predicted[out] = constant + features[out] @ factors
    return Agreement.of(predicted, real)


def _solve(features: Array, real: Array, strength: float) -> tuple[float, Array]:
    """Return the constant, and the factors (2 × kinds,), of least squared relative error plus penalty."""
    from scipy.optimize import nnls

    halves = numpy.split(features, 2, axis=1)
    rows = numpy.column_stack([numpy.ones_like(real), features]) / real[:, None]
    ones = numpy.ones_like(real)
    common, _ = nnls(numpy.column_stack([rows[:, 0], *(half.sum(1) / real for half in halves)]), ones)
    prior = numpy.repeat(common[1:], halves[0].shape[1])
    # What a feature weighs in the networks says how much its factor matters; where it is in none, the common one holds.
    weight = numpy.maximum(numpy.sqrt(strength * (rows[:, 1:] ** 2).sum(0)), _LEAST)
    penalty = numpy.column_stack([numpy.zeros_like(weight), numpy.diag(weight)])
    solution, _ = nnls(numpy.vstack([rows, penalty]), numpy.concatenate([ones, prior * weight]))
    return float(solution[0]), solution[1:]
