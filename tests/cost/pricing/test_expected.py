"""Expected cost and exact cost are the same function."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import COLUMNS, CostTerm
from archdial.space import Choice, Space
from tests.cost.examples import RUNTIME, architectures, entry, exact, random_weights, tables

SPACE = Space((Choice("a", ("x", "y"), ("p", "q")), Choice("b", ("x", "y", "z"), ("p", "q", "q"))))


def table(*extra: CostTerm) -> CostTable:
    single = (
        CostTerm(("a",), (entry(("x",), 1.0), entry(("y",), 2.0))),
        CostTerm(("b",), (entry(("x",), 3.0), entry(("y",), 5.0), entry(("z",), 4.0))),
    )
    return CostTable(SPACE.fingerprint, RUNTIME, (*single, *extra))


CONSTANT = CostTerm((), (entry((), 10.0),))
JOINT = CostTerm(("b", "a"), (entry(("z", "x"), 8.0), entry(("y", "y"), 0.5)))


@settings(max_examples=40, deadline=None)
@given(tables(most=3), st.sampled_from(COLUMNS))
def test_one_hot_weights_cost_the_exact_sum(case, column):
    space, costs = case
    expected = ExpectedCost(space, costs, column)
    for architecture in architectures(space):
        want = exact(costs, space, architecture, column)
        assert expected.of(architecture) == want
        assert float(expected(space.one_hot(architecture))) == want


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(tables(most=3))
def test_soft_weights_cost_the_mean_over_architectures(case):
    space, costs = case
    weights, mean = random_weights(space), 0.0
    for architecture in architectures(space):
        rows = range(len(space.choices))
        probability = torch.stack([weights[row, architecture.options[row]] for row in rows]).prod()
        mean += float(probability) * exact(costs, space, architecture)
    assert float(ExpectedCost(space, costs)(weights)) == pytest.approx(mean)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(tables())
def test_differentiable(case):
    space, costs = case
    expected = ExpectedCost(space, costs)
    weights = random_weights(space, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda w: (expected(w), expected.by_kind(w), expected.fraction(w)), weights)


@settings(max_examples=30, deadline=None)
@given(tables())
def test_extremes_are_costs_of_architectures_and_no_flip_betters_them(case):
    space, costs = case
    expected = ExpectedCost(space, costs)
    cheapest, dearest = expected.extremes()
    assert (expected.of(cheapest), expected.of(dearest)) == (expected.lowest, expected.highest)
    for other in architectures(space):
        if sum(a != b for a, b in zip(other.options, cheapest.options, strict=True)) == 1:
            assert exact(costs, space, other) >= expected.lowest
        if sum(a != b for a, b in zip(other.options, dearest.options, strict=True)) == 1:
            assert exact(costs, space, other) <= expected.highest


@settings(max_examples=40, deadline=None)
@given(tables(most=1))
def test_extremes_are_exact_for_one_choice_a_term(case):
    space, costs = case
    every = [exact(costs, space, architecture) for architecture in architectures(space)]
    expected = ExpectedCost(space, costs)
    assert (expected.lowest, expected.highest) == (min(every), max(every))


def test_descent_leaves_a_shared_part_that_no_single_flip_removes():
    gates = Space(tuple(Choice(name, ("keep", "drop"), ("keep", "drop")) for name in "abc"))
    free = [CostTerm((n,), (entry(("keep",), 0.0), entry(("drop",), 0.0))) for n in "abc"]
    kept = [("keep", "keep"), ("keep", "drop"), ("drop", "keep")]
    shared = CostTerm(("a", "b"), tuple(entry(options, 4.0) for options in kept))
    expected = ExpectedCost(gates, CostTable(gates.fingerprint, RUNTIME, (*free, shared)))
    assert (expected.lowest, expected.highest) == (0.0, 4.0)


@settings(max_examples=30, deadline=None)
@given(tables(most=1))
def test_kinds_and_constants_add_up(case):
    space, costs = case
    expected, weights = ExpectedCost(space, costs), random_weights(space, 3, 2)
    kinds = expected.by_kind(weights)
    assert kinds.shape == (3, 2, len(space.kinds))
    assert torch.allclose(kinds.sum(-1) + expected.constant, expected(weights))


def test_joint_terms_go_to_the_kind_of_the_first_choice():
    expected = ExpectedCost(SPACE, table(CONSTANT, JOINT))
    weights = SPACE.one_hot(SPACE.parse({"a": "x", "b": "z"}))
    assert expected.by_kind(weights).tolist() == [1.0, 4.0 + 8.0]
    assert float(expected(weights)) == 10.0 + 1.0 + 4.0 + 8.0


def test_shapes_types_and_batches():
    expected, weights = ExpectedCost(SPACE, table(CONSTANT, JOINT)), random_weights(SPACE, 4, 3).float()
    batch = expected(weights)
    assert batch.shape == (4, 3) and batch.dtype == torch.float32
    assert torch.allclose(batch[2, 1], expected(weights[2, 1]))
    assert expected.state_dict() == {}


def test_flops_beyond_float32_stay_exact():
    large = CostTable(SPACE.fingerprint, RUNTIME, (*table().terms, CostTerm((), (entry((), 2.0**40 + 1.0),))))
    architecture = SPACE.uniform("x")
    assert ExpectedCost(SPACE, large, "flops").of(architecture) == 16 * (2**40 + 1) + 16 + 48


def test_fraction_runs_from_zero_to_one():
    expected = ExpectedCost(SPACE, table(CONSTANT))
    lowest, highest = SPACE.one_hots(expected.extremes())
    assert expected.fraction(torch.stack([lowest, highest])).tolist() == [0.0, 1.0]
    assert (expected.lowest, expected.highest) == (14.0, 17.0)


def test_fraction_is_zero_where_nothing_differs():
    flat = tuple(CostTerm((c.name,), tuple(entry((o,), 2.0) for o in c.options)) for c in SPACE.choices)
    expected = ExpectedCost(SPACE, CostTable(SPACE.fingerprint, RUNTIME, flat))
    weights = random_weights(SPACE, 2).requires_grad_()
    fraction = expected.fraction(weights)
    fraction.sum().backward()
    assert fraction.tolist() == [0.0, 0.0] and weights.grad is not None


def test_unknown_column_and_other_space_are_refused():
    with pytest.raises(UsageError, match="did you mean 'latency_ms'"):
        ExpectedCost(SPACE, table(), "latency")
    other = Space(SPACE.choices[:1])
    with pytest.raises(UsageError, match=f"another space .{SPACE.fingerprint}, expected {other.fingerprint}"):
        ExpectedCost(other, table())
    with pytest.raises(UsageError, match="m, k"):
        ExpectedCost(SPACE, table())(torch.zeros(3, 3))
