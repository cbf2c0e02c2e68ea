"""Least squares with no factor below zero, drawn towards a prior: of many factors and few rows without their cube."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

Array = NDArray[numpy.float64]

_MANY = 100
"""Factors, above which the rows are what an equation is solved for; below, scipy is as quick."""
_ROUNDS = 1_000
_CHANCES = 3
"""Rounds in which the wrong guesses need not become fewer."""
_ZERO = 1e-9


def penalised(rows: Array, prior: Array, weight: Array) -> Array:
    """Return x ≥ 0 of least Σ (rows · x − 1)² + Σ (weight · (x₁… − prior))²; the first factor is free of a penalty.

    Args:
        rows: (n, 1 + m).
        prior: of all factors but the first (m,).
        weight: of what each is off its prior (m,), above zero.
    """
    found = _by_rows(rows, prior, weight) if len(prior) > _MANY else None
    return _by_columns(rows, prior, weight) if found is None else found


def _by_columns(rows: Array, prior: Array, weight: Array) -> Array:
    from scipy.optimize import nnls

    penalty = numpy.column_stack([numpy.zeros(len(prior)), numpy.diag(weight)])
    target = numpy.concatenate([numpy.ones(len(rows)), prior * weight])
    return numpy.asarray(nnls(numpy.vstack([rows, penalty]), target)[0], float)


def _by_rows(rows: Array, prior: Array, weight: Array) -> Array | None:
    """Return the same by guessing which factors are zero until none is wrongly so; None where that takes too long.

    All wrong guesses are turned at once as long as they become fewer, and after that the last one alone, which goes in
    no circles: block principal pivoting. With the zeros given, the factors are the prior and what the rows' residuals pull from it, and the residuals are the
    solution of as many equations as there are rows.
    """
    held = numpy.zeros(rows.shape[1], bool)
    fewest, chances = len(held) + 1, _CHANCES
    for _ in range(_ROUNDS):
        found, slope = _with_zeros(rows, prior, weight, held)
        wrong = numpy.flatnonzero(numpy.where(held, slope < -_ZERO, found < 0.0))
        if not len(wrong):
            return numpy.where(held, 0.0, found)
        if len(wrong) < fewest:
            fewest, chances = len(wrong), _CHANCES
        else:
            chances -= 1
        held[wrong if chances > 0 else wrong[-1]] ^= True
    return None


def _with_zeros(rows: Array, prior: Array, weight: Array, held: Array) -> tuple[Array, Array]:
    """Return the factors, those `held` being zero, and half the slope of what is minimised at each."""
    spread = numpy.where(held[1:], 0.0, 1.0 / weight**2)
    left = 1.0 - rows[:, 1:] @ numpy.where(held[1:], 0.0, prior)
    system = (rows[:, 1:] * spread) @ rows[:, 1:].T + numpy.eye(len(rows))
    first = rows[:, 0]
    solved = numpy.linalg.solve(system, numpy.column_stack([left, first]))
    constant = 0.0 if held[0] else float(first @ solved[:, 0]) / float(first @ solved[:, 1])
    residual = solved[:, 0] - constant * solved[:, 1]
    factors = numpy.where(held[1:], 0.0, prior + spread * (rows[:, 1:].T @ residual))
    found = numpy.concatenate([[constant], factors])
    slope = -(rows.T @ residual) - numpy.concatenate([[0.0], weight**2 * (prior - factors)])
    return found, slope
