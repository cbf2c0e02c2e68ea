"""The margin that a table's own errors ask for holds as often as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy
import pytest
from scipy import stats

from archdial.common.errors import UsageError
from archdial.cost.table import fit_to_networks
from archdial.cost.table.contents import TableContents
from archdial.cost.table.fit import FEWEST
from archdial.cost.table.margin import APART, check_confidence, margin, residuals_of
from archdial.cost.table.table import CostTable
from tests.hostile.examples import tables

CONFIDENCES = (0.6, 0.8, 0.9, 0.95, 0.99)


def fitted() -> CostTable:
    """A table with parts, twelve networks and the fit to them."""
    return CostTable.from_json(tables()[2])


def test_the_bound_is_that_of_students_t() -> None:
    residuals = numpy.random.default_rng(0).normal(0, 0.03, 20)
    root = float(numpy.sqrt((residuals**2).mean() + APART**2))
    for confidence in CONFIDENCES:
        assert margin(residuals.tolist(), confidence) == pytest.approx(stats.t.ppf(confidence, 20) * root)


@pytest.mark.parametrize("count", [10, 32])
@pytest.mark.parametrize("law", ["normal", "heavy"])
def test_a_new_network_is_within_it_as_often_as_it_says(count: int, law: str) -> None:
    """Whatever else the process of the new network adds, 1 % of standard deviation, is in it too."""
    generator = numpy.random.default_rng(count)

    def draw(*shape: int) -> numpy.ndarray:
        return 0.03 * (generator.normal(size=shape) if law == "normal" else generator.standard_t(4, shape) / 2**0.5)

    trials = 2_000
    seen, new = draw(trials, count), draw(trials) + generator.normal(0, APART, trials)
    for confidence in (0.8, 0.95):
        kept = numpy.array([margin(row.tolist(), confidence) for row in seen])
        share = float((new <= kept).mean())
        # Three standard errors of a share of 2,000.
        assert share >= confidence - 3 * (confidence * (1 - confidence) / trials) ** 0.5
        assert share <= confidence + 0.06


def test_half_a_confidence_keeps_nothing_and_more_keeps_more() -> None:
    residuals = [0.01, -0.02, 0.03, 0.0, -0.01] * 3
    assert margin(residuals, 0.5) == 0.0
    kept = [margin(residuals, confidence) for confidence in (0.5, *CONFIDENCES, 0.9999)]
    assert kept == sorted(kept) and len(set(kept)) == len(kept)


def test_errors_as_large_as_what_is_predicted_promise_nothing() -> None:
    """One network that was predicted to take next to no time would else make every budget unreachable."""
    assert margin([0.01] * 31 + [1e8], 0.95) is None
    assert margin([0.01] * 31 + [1e8], 0.5) == 0.0
    assert margin([0.5, -0.5] * 16, 0.95) == pytest.approx(stats.t.ppf(0.95, 32) * (0.25 + APART**2) ** 0.5)


def test_more_confidence_never_keeps_less_however_far_off_a_table_is() -> None:
    for error in (0.1, 0.5, 0.9):
        kept = [margin([error, -error] * 16, confidence) for confidence in (0.5, *CONFIDENCES, 0.9999)]
        assert None not in kept and kept == sorted(kept)  # type: ignore[type-var]
    assert {margin([2.0, -0.9] * 16, confidence) for confidence in CONFIDENCES} == {None}


def test_too_few_errors_promise_nothing() -> None:
    assert margin([0.01] * (FEWEST - 1), 0.95) is None and margin([], 0.5) is None
    assert margin([0.01] * FEWEST, 0.95) is not None


@pytest.mark.parametrize("confidence", [0.0, 0.49, 1.0, 1.5, -1.0, float("nan"), float("inf")])
def test_no_such_confidence(confidence: float) -> None:
    with pytest.raises(UsageError, match=r"confidence is .*: expected a number from 0\.5.*such as 0\.95"):
        check_confidence(confidence)


def test_a_fit_keeps_the_errors_that_its_mean_is_of() -> None:
    table = fitted()
    assert table.fit is not None and len(table.fit.residuals) == len(table.networks) == table.fit.networks
    off = [abs(1 / (1 + residual) - 1) for residual in table.fit.residuals]
    assert sum(off) / len(off) == pytest.approx(table.fit.held_out.mean_error)
    assert CostTable.from_json(table.to_json()) == table
    assert residuals_of(table) == table.fit.residuals


def test_an_older_table_has_them_found_anew() -> None:
    table = fitted()
    value = table.to_json()
    del value["fit"]["residuals"]
    older = CostTable.from_json(value)
    assert older.fit is not None and older.fit.residuals == ()
    assert older.to_json() == value
    assert residuals_of(older) == table.fit.residuals  # type: ignore[union-attr]


def test_where_nothing_was_held_out_there_are_none() -> None:
    table = fitted()
    plain: TableContents = table.without_fit()
    assert residuals_of(plain) == ()
    few = replace(table, networks=table.networks[:5], fit=replace(table.fit, residuals=()))  # type: ignore[type-var]
    assert residuals_of(few) == ()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda residuals: [0.5, *residuals[1:]],
        lambda residuals: residuals[:-1],
        lambda residuals: [*residuals, 0.0],
    ],
)
def test_errors_that_contradict_the_fit_are_refused(spoil) -> None:
    value = fitted().to_json()
    value["fit"]["residuals"] = spoil(value["fit"]["residuals"])
    with pytest.raises(UsageError, match=r"fit\.residuals has .* one of them was edited"):
        CostTable.from_json(value)


@pytest.mark.parametrize("times", [5, 50, 5_000])
def test_a_table_with_a_network_that_something_held_up_is_read_again(times: int) -> None:
    table = fitted()
    networks = list(table.networks)
    networks[7] = replace(networks[7], latency_ms=times * networks[7].latency_ms)
    again = fit_to_networks.fitted(replace(table, networks=tuple(networks), fit=None))
    assert again.fit is not None
    assert CostTable.from_json(again.to_json()).fit == again.fit


@pytest.mark.parametrize("wrong", ["x", -2.0, None, float("nan")])
def test_errors_that_cannot_be_are_refused(wrong: object) -> None:
    value = fitted().to_json()
    value["fit"]["residuals"][3] = wrong
    with pytest.raises(UsageError, match=r"fit\.residuals\[3\]"):
        CostTable.from_json(value)
