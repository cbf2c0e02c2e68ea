"""Fitting what the sum of the parts misses to whole networks: a constant, and a scale and launch per kind."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy
from numpy.typing import NDArray
from pydantic import Field

from archdial.common.limits import Amount, CountOrNone, Milliseconds, Number, Share
from archdial.common.metrics import kendall_tau
from archdial.cost.table.least_squares import penalised

Array = NDArray[numpy.float64]

FEWEST = 10
"""Whole networks, below which nothing is fitted."""
STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2)
"""Of the ridge penalties, tried by cross-validation."""
FOLDS = 5
WITHIN = 0.1
_LEAST = 1e-3
_FARTHEST = 1e30
_TINY = 1e-9
"""Milliseconds: a table that was written elsewhere may have parts that take none."""


Residuals = Annotated[tuple[Annotated[Number, Field(ge=-1, le=_FARTHEST)], ...], Field(fail_fast=True)]
"""Of networks, measured / predicted − 1: by how much of its prediction each takes longer."""


@dataclass(frozen=True)
class Agreement:
    """How far predictions are from what was measured.

    Attributes:
        mean_error: mean of |predicted − measured| / measured.
        within: share of networks for which that is at most 10 %.
        kendall: Kendall's τ of the two rankings; 0 where one of them is flat.
    """

    mean_error: Amount
    within: Share
    kendall: Annotated[Number, Field(ge=-1, le=1)]

    @classmethod
    def of(cls, predicted: Sequence[float] | Array, measured: Sequence[float] | Array) -> Agreement:
        """Return the agreement of two (networks,)."""
        given, real = numpy.asarray(predicted, float), numpy.asarray(measured, float)
        error = numpy.abs(given / real - 1.0)
        ranks = kendall_tau(list(given), list(real))
        return cls(float(error.mean()), float((error <= WITHIN).mean()), float(numpy.nan_to_num(ranks)))


@dataclass(frozen=True)
class Fit:
    """Latency of a network = constant + Σ over its parts of what each takes in a whole network.

    That is scale × (latency alone − launch) + what is left of the launch, with a scale and a launch for each kind of
    part; and as far as the measured networks tell, a part may be off the rule of its kind.

    Attributes:
        launch_ms: what a part alone takes that does next to nothing: to be called, and to hand over its tensors.
        constant_ms: what every network takes beside its parts.
        scales: factor of each kind of part.
        launches_ms: what is left of the launch in a whole network, for a part of each kind.
        parts_ms: what each part takes in a whole network, by its key.
        networks: how many whole networks it was fitted to.
        held_out: agreement on networks held out, by cross-validation.
        plain: agreement of the plain sum of the parts.
        residuals: measured / predicted − 1 of each network while it was held out, in the table's order; none in a table
            of an older archdial.
    """

    launch_ms: Milliseconds
    constant_ms: Milliseconds
    scales: Mapping[str, Amount]
    launches_ms: Mapping[str, Milliseconds]
    parts_ms: Mapping[str, Milliseconds]
    networks: CountOrNone
    held_out: Agreement
    plain: Agreement
    residuals: Residuals = ()


def fit(
    counts: Sequence[Mapping[str, int]],
    measured: Sequence[float],
    latency_ms: Mapping[str, float],
    kinds: Mapping[str, str],
    launch_ms: float,
) -> Fit:
    """Fit constant, scales, launches and parts, none below zero, to relative errors.

    Ridge regression draws the kinds towards one rule for all, and the parts towards the rule of their kind; how
    strongly is chosen by cross-validation.

    Args:
        counts: (networks,) how often each part runs, by key; at least FEWEST.
        measured: (networks,) milliseconds.
        latency_ms: of each part alone.
        kinds: of each part; in the order in which `latency_ms` is.
        launch_ms: what a part alone takes that does next to nothing.
    """
    real = numpy.asarray(measured, float)
    runs = numpy.array([[network.get(key, 0) for key in latency_ms] for network in counts], float)
    parts = _Parts(numpy.array(list(latency_ms.values())), list(kinds.values()), launch_ms)
    grid = list(itertools.product(STRENGTHS, STRENGTHS))
    trials = [_held_out(parts, runs, real, *strengths) for strengths in grid]
    agreements = [Agreement.of(predicted, real) for predicted in trials]
    best = min(range(len(grid)), key=lambda number: agreements[number].mean_error)
    rule, constant, each = _solve(parts, runs, real, *grid[best])
    names = list(dict.fromkeys(kinds.values()))
    return Fit(
        launch_ms=launch_ms,
        constant_ms=constant,
        scales=dict(zip(names, map(float, rule[: len(names)]), strict=True)),
        launches_ms=dict(zip(names, map(float, rule[len(names) :] * launch_ms), strict=True)),
        parts_ms=dict(zip(latency_ms, map(float, each), strict=True)),
        networks=len(real),
        held_out=agreements[best],
        plain=Agreement.of(runs @ parts.latency, real),
        residuals=_residuals(trials[best], real),
    )


class _Parts:
    """Parts alone: latencies (n,), and the features (n, 2 × kinds) of which a rule makes what they take in a whole."""

    def __init__(self, latency: Array, kinds: Sequence[str], launch: float) -> None:
        names = list(dict.fromkeys(kinds))
        member = numpy.array([[kind == name for name in names] for kind in kinds], float)
        self.latency = latency
        # Launches are in units of that of a part alone, so that all features are milliseconds.
        self.features = numpy.hstack([member * numpy.maximum(latency - launch, 0.0)[:, None], member * launch])


def _held_out(parts: _Parts, runs: Array, real: Array, *strengths: float) -> Array:
    """Return what each network (networks,) is predicted to take by a fit to the folds that it is not in."""
    predicted = numpy.empty_like(real)
    for fold in range(FOLDS):
        out = numpy.arange(len(real)) % FOLDS == fold
        _, constant, each = _solve(parts, runs[~out], real[~out], *strengths)
        predicted[out] = constant + runs[out] @ each
    return predicted


def _residuals(predicted: Array, real: Array) -> tuple[float, ...]:
    # What is predicted to take nothing is off by more than any margin allows for.
    off = real / numpy.maximum(predicted, _TINY) - 1.0
    return tuple(float(one) for one in numpy.minimum(off, _FARTHEST))


def _solve(
    parts: _Parts, runs: Array, real: Array, kinds_strength: float, parts_strength: float
) -> tuple[Array, float, Array]:
    """Return the rule (2 × kinds,), the constant, and what each part takes in a whole network (n,)."""
    features = runs @ parts.features
    halves = numpy.split(features, 2, axis=1)
    common = _ridge(numpy.column_stack([half.sum(1) for half in halves]), real, numpy.zeros(2), 0.0)[1:]
    rule = _ridge(features, real, numpy.repeat(common, halves[0].shape[1]), kinds_strength)[1:]
    ruled = parts.features @ rule
    alone = numpy.maximum(parts.latency, _TINY)
    # In units of what it takes alone, as the smallest part matters least.
    solution = _ridge(runs * alone, real, ruled / alone, parts_strength)
    return rule, float(solution[0]), solution[1:] * alone


def _ridge(features: Array, real: Array, prior: Array, strength: float) -> Array:
    """Return the constant and the factors, none below zero, of least squared relative error plus penalty."""
    rows = numpy.column_stack([numpy.ones_like(real), features]) / real[:, None]
    # What a feature weighs in the networks says how much its factor matters; where it is in none, the prior holds.
    weight = numpy.maximum(numpy.sqrt(strength * (rows[:, 1:] ** 2).sum(0)), _LEAST)
    # Nothing but the prior speaks of what is in none of the networks.
    told = rows[:, 1:].any(0)
    taken = numpy.concatenate([[True], told])
    solution = numpy.concatenate([[0.0], numpy.maximum(prior, 0.0)])
    solution[taken] = penalised(rows[:, taken], prior[told], weight[told])
    return solution
