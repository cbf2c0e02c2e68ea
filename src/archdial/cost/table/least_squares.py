"""Non-negative least squares with a prior, for many factors and few rows."""

from __future__ import annotations

import numpy
from numpy.typing import NDArray

Array = NDArray[numpy.float64]

_MANY = 100
"""Factors, above which the rows are what an equation is solved for; below, scipy is as quick."""
_ROUNDS = 50
_PRECISE = {"maxiter": 1_000, "ftol": 1e-13, "gtol": 1e-9}
_ZERO = 1e-9


def penalised(rows: Array, prior: Array, weight: Array) -> Array:
    """Return x ≥ 0 of least Σ (rows · x − 1)² + Σ (weight · (x₁… − prior))²; the first factor is free of a penalty.

    Args:
        rows: (n, 1 + m).
        prior: of all factors but the first (m,).
        weight: of what each is off its prior (m,), above zero.
    """
    if len(prior) <= _MANY:
        return _by_columns(rows, prior, weight)
    found = _by_rows(rows, prior, weight)
    return _by_descent(rows, prior, weight) if found is None else found


def _by_columns(rows: Array, prior: Array, weight: Array) -> Array:
    from scipy.optimize import nnls

    penalty = numpy.column_stack([numpy.zeros(len(prior)), numpy.diag(weight)])
    target = numpy.concatenate([numpy.ones(len(rows)), prior * weight])
    return numpy.asarray(nnls(numpy.vstack([rows, penalty]), target)[0], float)


def _by_rows(rows: Array, prior: Array, weight: Array) -> Array | None:
    """Return the same by guessing which factors are zero until no guess is wrong; None where that goes in circles.

    With the zeros given, the factors are the prior and what the rows' residuals pull from it, and the residuals are the
    solution of as many equations as there are rows.
    """
    held = numpy.zeros(rows.shape[1], bool)
    for _ in range(_ROUNDS):
        found, slope = _with_zeros(rows, prior, weight, held)
        wrong = numpy.where(held, slope < -_ZERO, found < 0.0)
        if not wrong.any():
            return numpy.where(held, 0.0, found)
        held ^= wrong
    return None


def _by_descent(rows: Array, prior: Array, weight: Array) -> Array:
    """Return about the same step by step, as is needed where networks and parts contradict each other wildly."""
    from scipy.optimize import minimize

    unit = numpy.concatenate([[numpy.linalg.norm(rows[:, 0])], weight])
    goal = numpy.concatenate([[0.0], prior * weight])
    drawn = numpy.concatenate([[0.0], numpy.ones(len(prior))])

    def loss(scaled: Array) -> tuple[float, Array]:
        residual, off = rows @ (scaled / unit) - 1.0, drawn * (scaled - goal)
        return float(residual @ residual + off @ off), 2.0 * (rows.T @ residual / unit + off)

    start = numpy.maximum(goal, 0.0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start), options=_PRECISE)
    return numpy.asarray(found.x / unit, float)


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
