"""Each dial against what can be worked out by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.dial import Budget, Constraint, LogPower, OperationSimplex, Power, Scalar, Tradeoff
from archdial.searching.objective import objective
from archdial.space import Architecture, Choice, Space

PRICES = {"skip": 0.5, "conv": 3.0, "pool": 1.0}
OPTIONS = tuple(PRICES)
SPACE = Space(tuple(Choice(name, OPTIONS, OPTIONS) for name in "abcd"))
EVERY = [Architecture(o) for o in itertools.product(range(3), repeat=4)]


def cost() -> ExpectedCost:
    def entry(options: tuple[str, ...], price: float) -> CostEntry:
        return CostEntry(options, price, 0.0, 1, 1, 1)

    single = (CostTerm((c.name,), tuple(entry((o,), PRICES[o]) for o in OPTIONS)) for c in SPACE.choices)
    runtime = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
    return ExpectedCost(SPACE, CostTable(SPACE.fingerprint, runtime, (CostTerm((), (entry((), 7.0),)), *single)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def weights_of(*options: int) -> Tensor:
    return SPACE.one_hot(Architecture(options))[None]


def test_scalar_is_log_uniform_on_its_range() -> None:
    dial = Scalar(0.01, 10.0)
    drawn = dial.sample(4000, seeded())
    assert drawn.min() >= 0.01 * (1 - 1e-6)
    assert drawn.max() <= 10.0 * (1 + 1e-6)
    ranks = (drawn.flatten().log10().sort().values + 2) / 3
    distance = (ranks - torch.linspace(0, 1, 4000)).abs().max()
    assert distance < 1.95 / math.sqrt(4000), "Kolmogorov and Smirnov at one in a thousand"


def test_scalar_grid_and_code() -> None:
    dial = Scalar(0.01, 10.0)
    torch.testing.assert_close(dial.grid(4), torch.tensor([[0.01], [0.1], [1.0], [10.0]]))
    torch.testing.assert_close(dial.encode(dial.grid(4)), torch.tensor([[0.0], [1 / 3], [2 / 3], [1.0]]))
    torch.testing.assert_close(dial.encode(torch.tensor([[1e-9], [1e9]])), torch.tensor([[0.0], [1.0]]))


def test_scalar_penalty_by_hand() -> None:
    # 4 convolutions cost 12, 4 skips 2; one convolution and three pools 6: (6 - 2) / 10.
    penalty = Scalar().penalty(torch.tensor([[2.0]]), weights_of(1, 2, 2, 2), cost())
    assert penalty.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), -0.0])
def test_lambda_is_positive_and_finite(value: float) -> None:
    with pytest.raises(UsageError, match=r"expected a positive number, from 0\.01 to 10"):
        Scalar(0.01, 10.0).position(value)
    for ends in ({"low": value}, {"high": value}):
        with pytest.raises(UsageError, match=r"expected a (finite number|number above 0)"):
            Scalar(**ends)


@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0), (2.0, 1.0)])
def test_low_is_below_high(low: float, high: float) -> None:
    with pytest.raises(UsageError, match="expected low < high"):
        Scalar(low, high)


@pytest.mark.parametrize("dial", [Scalar(), Scalar(low=50.0), Scalar(high=1e-4)])
def test_a_scalar_of_open_ends_can_be_asked_before_the_search(dial: Scalar) -> None:
    codes = dial.encode(dial.grid(5)).flatten()
    torch.testing.assert_close(codes, torch.linspace(0, 1, 5))


def test_simplex_is_dirichlet_of_ones() -> None:
    kinds = 4
    drawn = OperationSimplex(1.0, tuple("abcd")).sample(20_000, seeded())
    torch.testing.assert_close(drawn.sum(1), torch.ones(20_000))
    assert (drawn >= 0).all()
    torch.testing.assert_close(drawn.mean(0), torch.full((kinds,), 1 / kinds), atol=0.006, rtol=0)
    # Var = (k - 1) / (k² (k + 1)), Cov = -1 / (k² (k + 1)), both within 6 %.
    unit = 1 / (kinds**2 * (kinds + 1))
    expected = torch.full((kinds, kinds), -unit) + torch.eye(kinds) * kinds * unit
    torch.testing.assert_close(drawn.T.cov(), expected, atol=0.06 * 3 * unit, rtol=0)


def test_simplex_of_one_kind_is_a_point() -> None:
    dial = OperationSimplex(1.0, ("a",))
    assert dial.grid(3).equal(torch.ones(3, 1))
    torch.testing.assert_close(dial.sample(5, seeded()), torch.ones(5, 1))


def test_simplex_grid_has_the_centre_and_the_corners_of_the_paper() -> None:
    grid = OperationSimplex(1.0, OPTIONS).grid(24)
    torch.testing.assert_close(grid[0], torch.full((3,), 1 / 3))
    torch.testing.assert_close(grid[1:4], torch.tensor([[0.7, 0.15, 0.15], [0.15, 0.7, 0.15], [0.15, 0.15, 0.7]]))


def test_simplex_ray() -> None:
    dial = OperationSimplex(1.0, OPTIONS)
    ray = dial.ray("conv", 3)
    torch.testing.assert_close(ray, torch.tensor([[0.5, 0.0, 0.5], [0.25, 0.5, 0.25], [0.0, 1.0, 0.0]]))
    for position in ray:
        dial.check(position)
    with pytest.raises(UsageError, match="no kind 'cow'"):
        dial.ray("cow", 3)


def test_simplex_penalty_by_hand() -> None:
    dial = OperationSimplex(5.0, OPTIONS, balanced=False)
    position = torch.tensor([[0.2, 0.5, 0.3]])
    # Two convolutions, a pool and a skip; the range of the total is 12 - 2.
    expected = 5.0 * (0.2 * 0.5 + 0.5 * 6.0 + 0.3 * 1.0) / 10
    penalty = dial.penalty(position, weights_of(1, 1, 2, 0), cost())
    assert penalty.tolist() == pytest.approx([expected])
    mixed = (weights_of(1, 1, 2, 0) + weights_of(0, 1, 2, 0)) / 2
    # Half a convolution less, half a skip more.
    assert dial.penalty(position, mixed, cost()).tolist() == pytest.approx([expected - 5 * (0.75 - 0.05) / 10])


@pytest.mark.parametrize(
    "value", [[0.5, 0.5], [0.5, 0.5, 0.5], [1.2, -0.1, -0.1], [0.3, 0.3, 0.3], [0.0, 0.0, 0.0], 1.0]
)
def test_off_the_simplex(value: list[float] | float) -> None:
    with pytest.raises(UsageError, match=r"expected 3 numbers, for skip, conv, pool|outside the simplex"):
        OperationSimplex(1.0, OPTIONS).position(value)


def test_rounded_numbers_are_on_the_simplex() -> None:
    dial = OperationSimplex(1.0, OPTIONS)
    assert dial.position([0.333, 0.333, 0.333]).tolist() == pytest.approx([0.333] * 3)


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_optimum_avoids_the_kind_at_whose_corner_the_dial_is(kind: str) -> None:
    """All options are worth the same: the least penalty is where none of the penalised kind is."""
    dial, table = OperationSimplex(1.0, OPTIONS), cost()
    weights = SPACE.one_hots(EVERY)
    corner = torch.eye(3)[OPTIONS.index(kind)].expand(len(EVERY), -1)
    values = objective(torch.zeros(()), dial, corner, weights, table)
    best = {a for a, value in zip(EVERY, values.tolist(), strict=True) if value == min(values.tolist())}
    assert best == {a for a in EVERY if SPACE.counts(a)[kind] == 0}


@pytest.mark.parametrize("kind", OPTIONS)
def test_the_more_a_kind_is_penalised_the_fewer_of_it_are_best(kind: str) -> None:
    """Accuracy grows with the number of distinct kinds and with each kind's worth: known by brute force."""
    worth = {"skip": 0.05, "conv": 0.2, "pool": 0.1}
    losses = torch.tensor([-sum(worth[k] * n**0.5 for k, n in SPACE.counts(a).items()) for a in EVERY])
    dial, table, weights = OperationSimplex(3.0, OPTIONS), cost(), SPACE.one_hots(EVERY)
    counts = []
    for position in dial.ray(kind, 12):
        values = objective(losses, dial, position.expand(len(EVERY), -1), weights, table)
        counts.append(SPACE.counts(EVERY[int(values.argmin())])[kind])
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 0


def test_budget_penalty_by_hand() -> None:
    dial = Budget(4.0)
    positions = torch.tensor([[1.0], [0.5], [0.4], [0.3], [0.0]])
    penalty = dial.penalty(positions, weights_of(1, 2, 2, 2).expand(5, -1, -1), cost())
    assert penalty.tolist() == pytest.approx([0.0, 0.0, 0.0, 0.4, 1.6], abs=1e-6)


def test_the_optimum_under_a_budget_meets_it() -> None:
    dial, table, weights = Budget(50.0), cost(), SPACE.one_hots(EVERY)
    fractions = table.fraction(weights)
    losses = -fractions.sqrt()
    for position in dial.grid(11):
        values = objective(losses, dial, position.expand(len(EVERY), -1), weights, table)
        best = int(values.argmin())
        allowed = losses[fractions <= position + 1e-6]
        assert fractions[best] <= position + 1e-6
        assert losses[best] == allowed.min()


def test_budget_is_a_fraction() -> None:
    drawn = Budget().sample(2000, seeded()).flatten().sort().values
    assert (drawn - torch.linspace(0, 1, 2000)).abs().max() < 1.95 / math.sqrt(2000)
    assert Budget().grid(3).flatten().tolist() == [1.0, 0.5, 0.0]
    for value in (-0.01, 1.01, float("nan")):
        with pytest.raises(UsageError, match="expected a fraction of the cost range"):
            Budget().position(value)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("nan"), float("inf")])
def test_strengths_are_positive(strength: float) -> None:
    for kind in (Budget, OperationSimplex):
        with pytest.raises(UsageError, match=r"expected a (finite number|number above 0)"):
            kind(strength)


def test_a_balanced_penalty_counts_each_kind_by_its_own_full_use() -> None:
    prices = cost()
    dial = OperationSimplex(strength=2.0, kinds=SPACE.kinds)
    positions = torch.eye(len(SPACE.kinds))
    for index, kind in enumerate(SPACE.kinds):
        everywhere = SPACE.one_hot(SPACE.uniform(kind))[None].expand(len(positions), -1, -1)
        penalty = dial.penalty(positions, everywhere, prices)
        expected = torch.zeros(len(positions))
        expected[index] = 2.0 if float(prices.by_kind(everywhere[0])[index]) > 0 else 0.0
        torch.testing.assert_close(penalty, expected)


def test_a_balanced_penalty_grows_faster_than_the_share() -> None:
    prices, kind = cost(), 0
    dial = OperationSimplex(strength=2.0, kinds=SPACE.kinds)
    corner = torch.eye(len(SPACE.kinds))[kind : kind + 1]
    everywhere = SPACE.one_hot(SPACE.uniform(SPACE.kinds[kind]))[None]
    for share in (0.25, 0.5, 1.0):
        weights = (share * everywhere).requires_grad_()
        penalty = dial.penalty(corner, weights, prices)
        torch.testing.assert_close(penalty, torch.tensor([2.0 * share**2]))
    (gradient,) = torch.autograd.grad(dial.penalty(corner, weights * 0, prices).sum(), weights)
    assert bool(torch.isfinite(gradient).all())


def test_power_and_its_logarithm_are_their_formulas() -> None:
    # 2 + 7 is the least; one convolution and three pools cost 6 + 7.
    weights, position, task = weights_of(1, 2, 2, 2), torch.tensor([[2.0]]), torch.tensor([0.3])
    ratio = 13 / 9
    for dial, factor in ((Power(), ratio), (LogPower(), 1 + math.log(ratio))):
        value = objective(task, dial, position, weights, cost())
        assert value.exp().tolist() == pytest.approx([0.3 * factor**2])


@pytest.mark.parametrize("kind", [Power, LogPower])
def test_the_range_of_an_exponent_ends_where_nothing_changes_any_more(kind: type[Power]) -> None:
    weights = SPACE.one_hots(EVERY)
    # Loss falls with the number of convolutions, the dearest, by ever less.
    losses = torch.tensor([0.1 + 0.8 / (1 + a.options.count(1)) ** 1.5 for a in EVERY])
    dial = kind().fitted(SPACE.kinds, Tradeoff.among(losses, weights, cost()))
    best = [int(objective(losses, dial, p.expand(len(EVERY), -1), weights, cost()).argmin()) for p in dial.grid(50)]
    spent = [cost().of(EVERY[number]) for number in best]
    assert spent == sorted(spent, reverse=True)
    assert (spent[0], spent[-1]) == (19.0, 9.0) and len(set(spent)) >= 3


def test_the_constraint_is_the_budget_where_architectures_are_compared() -> None:
    weights, position = weights_of(1, 2, 2, 2), torch.tensor([[0.3]])
    for strength in (5.0, 40.0):
        expected = Budget(strength).penalty(position, weights, cost())
        assert Constraint(strength).penalty(position, weights, cost()).tolist() == expected.tolist()
    assert Constraint().excess(position, weights, cost()).tolist() == pytest.approx([0.1])
