"""Views of one quality, and how far each is to be trusted."""

from __future__ import annotations

import numpy
import pytest

from archdial.common.metrics import kendall_tau
from archdial.searching.agreement import FURTHEST, MOST, Agreement, Scale, loadings


def views(count: int, trusts: list[float], seed: int = 0) -> tuple[numpy.ndarray, numpy.ndarray]:
    """A quality (n,), and views (n, v) of it whose correlations with it are `trusts`."""
    draws = numpy.random.default_rng(seed)
    quality, noise = draws.normal(size=count), draws.normal(size=(count, len(trusts)))
    return quality, quality[:, None] * trusts + noise * numpy.sqrt(1 - numpy.square(trusts))


def names(count: int) -> list[str]:
    return [f"view {number}" for number in range(count)]


def test_trust_is_found_without_the_truth() -> None:
    trusts = [0.3, 0.5, 0.8, 0.6]
    _, found = views(4000, trusts)
    assert Agreement.among(found, names(4)).loadings == pytest.approx(trusts, abs=0.06)


def test_loadings_explain_exact_correlations_exactly() -> None:
    trusts = numpy.array([0.4, 0.7, 0.85])
    correlations = numpy.outer(trusts, trusts)
    numpy.fill_diagonal(correlations, 1.0)
    assert loadings(correlations) == pytest.approx(trusts, abs=1e-4)


def test_what_views_agree_on_ranks_better_than_each_and_than_their_mean() -> None:
    quality, found = views(2000, [0.3, 0.5, 0.8, 0.7], seed=1)
    agreement = Agreement.among(found, names(4))
    tau = kendall_tau(agreement.quality(found), quality)
    each = [kendall_tau(column, quality) for column in found.T]
    assert tau > max(*each, kendall_tau(found.mean(1), quality)) + 0.02


def test_only_ranks_of_a_view_count() -> None:
    _, found = views(200, [0.5, 0.7, 0.6])
    other = numpy.column_stack((numpy.exp(found[:, 0]), found[:, 1] ** 3, found[:, 2] * 1e6 - 4))
    plain, bent = (Agreement.among(values, names(3)).quality(values) for values in (found, other))
    assert bent == pytest.approx(plain)


def test_a_view_that_disagrees_with_all_others_is_not_trusted() -> None:
    quality, found = views(1000, [0.7, 0.7, 0.7, -0.6])
    agreement = Agreement.among(found, names(4))
    assert agreement.loadings[3] == 0
    assert kendall_tau(agreement.quality(found), quality) > 0.5


def test_views_that_err_alike_count_once() -> None:
    quality, found = views(2000, [0.5, 0.7, 0.7])
    copies = numpy.column_stack((found, found[:, 0], found[:, 0]))
    apart = Agreement.among(copies, names(5))
    together = Agreement.among(copies, ["a", "b", "c", "a", "a"])
    # Taken for views of their own, the three are believed to be the truth.
    assert apart.loadings[0] == pytest.approx(MOST**0.5)
    assert together.quality(copies) == pytest.approx(Agreement.among(found, names(3)).quality(found))
    assert kendall_tau(together.quality(copies), quality) > kendall_tau(apart.quality(copies), quality) + 0.05


def test_views_that_say_nothing_and_views_that_never_agree() -> None:
    _, found = views(100, [0.8, 0.8, 0.0])
    found[:, 2] = 5.0
    agreement = Agreement.among(found, names(3))
    assert agreement.loadings[2] == 0
    assert numpy.isfinite(agreement.quality(found)).all()
    _, apart = views(400, [0.5, -0.5])
    assert not Agreement.among(apart, names(2)).loadings.any()


def test_beyond_the_sample_more_is_still_better_but_not_without_end() -> None:
    _, found = views(100, [0.8, 0.8, 0.8])
    agreement = Agreement.among(found, names(3))
    most = found.max(0)
    better, far, further = agreement.quality(numpy.stack((most + 0.1, most + 50, most + 1000)))
    assert agreement.quality(found).max() < better < far == further
    assert numpy.isfinite(FURTHEST * agreement.loadings).all()


def test_a_scale_is_monotone_and_straight_beyond_its_points() -> None:
    points = numpy.array([3.0, 1.0, 2.0, 2.0, 7.0])
    scale = Scale.between(points, numpy.array([30.0, 10.0, 18.0, 22.0, 70.0]))
    assert scale(numpy.array([1.0, 1.5, 2.0, 7.0])) == pytest.approx([10, 15, 20, 70])
    assert scale(numpy.array([8.0, -1.0])) == pytest.approx([80, -10])
    flat = Scale.between(numpy.ones(4), numpy.arange(4.0))
    assert flat(numpy.array([0.0, 1.0, 9.0])) == pytest.approx([1.5] * 3)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_few_architectures(count: int) -> None:
    _, found = views(count, [0.5, 0.5])
    assert numpy.isfinite(Agreement.among(found, names(2)).quality(found)).all()
