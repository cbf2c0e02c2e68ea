"""What the sum of the parts leaves out, fitted to whole networks: a constant, and a scale for each kind of part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from archdial.metrics import kendall_tau

Array = NDArray[numpy.float64]

FEWEST = 10
"""Whole networks, below which nothing is fitted."""
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
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
class Fit:
    """Latency of a network = constant + Σ over kinds of scale × (sum of the latencies of its parts of that kind).

    Attributes:
        constant_ms: what every network takes beside its parts.
        scales: factor of each kind; those of kinds that no measured network has are the mean one.
        networks: how many whole networks it was fitted to.
        held_out: agreement on networks held out, by cross-validation.
        plain: agreement of the plain sum of the parts.
    """

    constant_ms: float
    scales: Mapping[str, float]
    networks: int
    held_out: Agreement
    plain: Agreement


def fit(parts: Sequence[Mapping[str, float]], measured: Sequence[float], kinds: Sequence[str]) -> Fit:
    """Fit constant and scales, none below zero, to relative errors.

    Scales are drawn towards the mean one: by ridge regression, whose strength is chosen by cross-validation.

    Args:
        parts: for each network the milliseconds of its parts by kind.
        measured: (networks,) milliseconds of each; at least FEWEST.
        kinds: all that there are.
    """
    sums = numpy.array([[network.get(kind, 0.0) for kind in kinds] for network in parts])
    real = numpy.asarray(measured, float)
    trials = {strength: _held_out(sums, real, strength) for strength in STRENGTHS}
    strength = min(trials, key=lambda s: trials[s].mean_error)
    constant, scales = _solve(sums, real, strength)
    plain = Agreement.of(sums.sum(1), real)
    return Fit(constant, dict(zip(kinds, map(float, scales), strict=True)), len(real), trials[strength], plain)


def _held_out(sums: Array, real: Array, strength: float) -> Agreement:
    predicted = numpy.empty_like(real)
    for fold in range(FOLDS):
        out = numpy.arange(len(real)) % FOLDS == fold
        constant, scales = _solve(sums[~out], real[~out], strength)
        predicted[out] = constant + sums[out] @ scales
    return Agreement.of(predicted, real)


def _solve(sums: Array, real: Array, strength: float) -> tuple[float, Array]:
    """Return the constant, and the scales (kinds,), of least squared relative error plus penalty."""
    from scipy.optimize import nnls

    plain = sums.sum(1)
    mean = float(numpy.median(real[plain > 0] / plain[plain > 0])) if (plain > 0).any() else 1.0
    rows = numpy.column_stack([numpy.ones_like(real), sums]) / real[:, None]
    # What a kind weighs in the networks says how much its scale matters; without any its scale is the mean one.
    weight = numpy.maximum(numpy.sqrt(strength * (rows[:, 1:] ** 2).sum(0)), _LEAST)
    penalty = numpy.column_stack([numpy.zeros_like(weight), numpy.diag(weight)])
    solution, _ = nnls(numpy.vstack([rows, penalty]), numpy.concatenate([numpy.ones_like(real), mean * weight]))
    return float(solution[0]), solution[1:]
