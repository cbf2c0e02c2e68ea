"""Many factors are found as few are."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from archdial.cost.table import least_squares
from archdial.cost.table.least_squares import penalised


def loss(found: Any, rows: Any, prior: Any, weight: Any) -> float:
    return float(((rows @ found - 1.0) ** 2).sum() + (((found[1:] - prior) * weight) ** 2).sum())


@pytest.mark.parametrize("seed", range(12))
def test_by_rows_as_by_columns(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = numpy.random.default_rng(seed)
    count = int(generator.integers(10, 90))
    features = generator.uniform(0, 1, (40, count)) * (generator.random((40, count)) < 0.3)
    rows = numpy.column_stack([1.0 / generator.uniform(0.5, 5.0, 40), features])
    # Some priors are below zero, so that some factors are held at it; weak and strong ones.
    prior = generator.uniform(-0.2, 0.2, count) * generator.choice([0.1, 1.0, 5.0])
    weight = numpy.sqrt(10.0 ** generator.uniform(-6, 0) * (features**2).sum(0)) + 1e-3
    by_columns = penalised(rows, prior, weight)
    monkeypatch.setattr(least_squares, "_MANY", 0)
    found = least_squares._by_rows(rows, prior, weight)
    assert found is None or found == pytest.approx(by_columns, abs=1e-8)
    # Guesses that go in circles are given up, and all is found step by step.
    for most in (least_squares._ROUNDS, 0):
        monkeypatch.setattr(least_squares, "_ROUNDS", most)
        again = penalised(rows, prior, weight)
        assert (again >= 0).all()
        assert loss(again, rows, prior, weight) <= loss(by_columns, rows, prior, weight) * (1 + 1e-4)


def test_priors_that_fit_need_no_more_than_a_few_guesses() -> None:
    generator = numpy.random.default_rng(0)
    features = generator.uniform(0, 1, (64, 300)) * (generator.random((64, 300)) < 0.2)
    truth = generator.uniform(0.0, 1.0, 300)
    real = 0.3 + features @ truth
    rows = numpy.column_stack([numpy.ones(64), features]) / real[:, None]
    weight = numpy.full(300, 0.01)
    found = least_squares._by_rows(rows, 0.9 * truth, weight)
    assert found is not None and (found >= 0).all()
    assert rows @ found == pytest.approx(numpy.ones(64), abs=0.01)
