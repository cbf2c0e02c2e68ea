"""Many factors are found as few are."""

from __future__ import annotations

import numpy
import pytest

from archdial.cost.table import least_squares
from archdial.cost.table.least_squares import penalised


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
    assert least_squares._by_rows(rows, prior, weight) is not None
    assert penalised(rows, prior, weight) == pytest.approx(by_columns, abs=1e-8)


def test_what_is_not_found_in_time_is_left_to_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, prior, weight = numpy.ones((3, 3)), numpy.array([0.2, -1.0]), numpy.ones(2)
    expected = penalised(rows, prior, weight)
    monkeypatch.setattr(least_squares, "_MANY", 0)
    monkeypatch.setattr(least_squares, "_ROUNDS", 0)
    assert penalised(rows, prior, weight) == pytest.approx(expected)
    assert (expected >= 0).all()
