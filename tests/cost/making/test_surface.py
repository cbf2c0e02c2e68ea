"""What is between sizes that were measured: found where there is a rule, never falling, honest where there is none."""

from __future__ import annotations

import itertools
import math

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archdial.cost.making.surface import Surface, best_surface, products, steeper, stepped

SIZES = numpy.array([*itertools.product((16.0, 128.0), repeat=2), (32.0, 64.0), (64.0, 32.0), (96.0, 96.0)])
EVERY = numpy.array(list(itertools.product(range(8, 137, 8), repeat=2)), float)


def polynomial(a: float, b: float) -> float:
    return 0.01 + 1e-4 * a + 3e-5 * a * b


def kernels(a: float, b: float) -> float:
    return 0.01 + 1e-5 * math.ceil(a / 16) * 16 * math.ceil(b / 16) * 16


def cache(a: float, b: float) -> float:
    return 0.01 + 1e-7 * (a * b) ** 1.5


@pytest.mark.parametrize("rule", [polynomial, kernels, cache])
def test_a_rule_is_found(rule) -> None:
    sizes = numpy.vstack([SIZES, [(24.0, 40.0), (40.0, 24.0), (24.0, 120.0), (120.0, 24.0)]])
    surface, errors = best_surface(sizes, numpy.array([rule(*each) for each in sizes]), 4)
    expected = numpy.array([rule(*each) for each in EVERY])
    inner = (EVERY >= 16).all(1) & (EVERY <= 128).all(1)
    assert surface.at(EVERY)[inner] == pytest.approx(expected[inner], rel=0.03)
    assert len(errors) == 7 and numpy.abs(errors).max() < 0.2


def test_what_is_near_tells_what_is_off_the_rule() -> None:
    sizes = numpy.array([(float(width),) for width in (16, 128, 32, 48, 64, 80, 96, 112)])
    # Where rows no longer fit, all is half as slow again.
    taken = numpy.array([0.01 * width * (1.5 if width > 60 else 1.0) for (width,) in sizes])
    surface, _ = best_surface(sizes, taken, 2)
    assert surface.at(numpy.array([(104.0,)])) == pytest.approx([0.01 * 104 * 1.5], rel=0.03)


def test_errors_are_of_what_was_left_out() -> None:
    generator = numpy.random.default_rng(0)
    sizes = numpy.vstack([SIZES, EVERY[::30]])
    _, errors = best_surface(sizes, generator.uniform(0.1, 10.0, len(sizes)), 4)
    assert numpy.abs(errors).mean() > 0.3


TAKEN = st.lists(st.floats(1e-4, 1e3), min_size=len(SIZES), max_size=len(SIZES))


@settings(max_examples=40, deadline=None)
@given(TAKEN, st.sampled_from([products, stepped, steeper]), st.sampled_from([0.0, 0.35, 0.7]))
def test_it_never_falls_and_is_never_below_nothing(taken: list[float], features, reach: float) -> None:
    places = EVERY[::7]
    found = Surface.through(SIZES, numpy.array(taken), features, reach).at(places)
    assert numpy.isfinite(found).all() and (found >= 0).all()
    for place, one in zip(places, found, strict=True):
        larger = (places >= place).all(1)
        assert (found[larger] >= one * (1 - 1e-9)).all()


def test_what_takes_nothing_is_borne() -> None:
    surface, errors = best_surface(SIZES, numpy.zeros(len(SIZES)), 4)
    assert (surface.at(EVERY) < 1e-6).all() and numpy.isfinite(errors).all()
