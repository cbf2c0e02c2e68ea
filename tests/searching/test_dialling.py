"""Training the hypernetwork on a predictor and a cost table, where the optimum is known."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from archdial.common.metrics import spearman
from archdial.cost.pricing.expected import ExpectedCost
from archdial.dial import Budget, Chebyshev, Constraint, Dial, LogPower, OperationSimplex, Power, Scalar, Tradeoff
from archdial.hypernet import make_hypernet
from archdial.relaxation import Temperature, make_relaxation
from archdial.searching.candidates import at_positions
from archdial.searching.dialling import DialTrainer, Known, Lesson, best_within, spread, thompson
from archdial.searching.evaluation import Evaluated
from archdial.searching.objective import objective
from archdial.searching.predictor import ErrorPredictor
from archdial.space import Architecture
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import counted_table, tiny

NETWORK = tiny(cells=1, operations=("identity", "max_pool_3x3", "sep_conv_3x3"))
SPACE = NETWORK.space
COST = ExpectedCost(SPACE, counted_table(NETWORK))
EVERY = [Architecture(o) for o in itertools.product(range(3), repeat=5)]
GAIN = torch.tensor([0.35, 0.25, 0.2, 0.12, 0.08])[:, None] * torch.tensor([0.0, 0.4, 1.0])


class Law(ErrorPredictor):
    """Knows the error of every architecture; its ensemble is of one mind."""

    def each(self, weights: Tensor) -> Tensor:
        error = 0.5 - 0.4 * (weights * GAIN).sum((-2, -1))
        return error.clamp_min(1e-3).log().expand(self.members, -1)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


LAW = Law(SPACE)
with torch.no_grad():
    ERRORS = LAW(SPACE.one_hots(EVERY))
KNOWN = Known(SPACE.one_hots(EVERY[::6]), ERRORS[::6])
TRADE = Tradeoff(ERRORS, COST.fraction(SPACE.one_hots(EVERY)))


def best(dial: Dial, position: Tensor) -> float:
    weights = SPACE.one_hots(EVERY)
    return float(objective(ERRORS, dial, position.expand(len(EVERY), -1), weights, COST).min())


def worth(dial: Dial, position: Tensor, architecture: Architecture) -> float:
    weights = SPACE.one_hot(architecture)[None]
    return float(objective(LAW(weights), dial, position[None], weights, COST))


def train(dial: Dial, imitation: bool = False, entropy: float = 1.0, steps: int = 250) -> list[Architecture]:
    torch.manual_seed(0)
    hypernet = make_hypernet("mlp", SPACE, dial.features)
    relaxation = make_relaxation("straight_through", SPACE)
    trainer = DialTrainer(dial, hypernet, LAW, COST, relaxation, Temperature(), entropy, imitation, steps)
    before = [parameter.clone() for parameter in LAW.parameters()]
    trainer.fit(KNOWN, seeded())
    assert all(p.equal(b) for p, b in zip(LAW.parameters(), before, strict=True)), "the predictor is only asked"
    return at_positions(SPACE, hypernet, dial, dial.grid(12))


def gaps(dial: Dial, found: list[Architecture]) -> list[float]:
    """How far each member is above the optimum, in standard deviations of the objective at its position."""
    table = Known(SPACE.one_hots(EVERY), ERRORS).objectives(dial, dial.grid(len(found)), COST)
    pairs = zip(dial.grid(len(found)), found, table, strict=True)
    return [(worth(dial, position, a) - float(row.min())) / float(row.std()) for position, a, row in pairs]


@pytest.mark.slow
def test_a_scalar_dial_turns_from_the_best_to_the_cheapest() -> None:
    dial = Scalar().fitted(SPACE.kinds, TRADE)
    found = train(dial)
    cheapest, dearest = COST.extremes()
    # The dearest is the most accurate here.
    assert found[0] == dearest
    assert COST.fraction(SPACE.one_hot(found[-1])) < 0.05
    assert cheapest == SPACE.uniform("identity")
    fractions = COST.fraction(SPACE.one_hots(found)).tolist()
    assert spearman(list(range(12)), fractions) < -0.9
    assert len(set(found)) >= 5
    assert sum(gaps(dial, found)) / 12 < 0.05
    assert max(gaps(dial, found)) < 0.2


@pytest.mark.slow
def test_with_imitation_and_without_entropy_no_position_is_far_from_its_optimum() -> None:
    dial = Scalar().fitted(SPACE.kinds, TRADE)
    found = train(dial, imitation=True, entropy=0.0)
    assert found[-1] == COST.extremes()[0]
    assert max(gaps(dial, found)) < 0.5


@pytest.mark.slow
def test_a_budget_dial_keeps_its_budgets() -> None:
    dial = Budget().fitted(SPACE.kinds, TRADE)
    fractions = COST.fraction(SPACE.one_hots(train(dial, imitation=True))).tolist()
    budgets = dial.grid(12).flatten().tolist()
    assert all(fraction <= budget + 0.1 for fraction, budget in zip(fractions, budgets, strict=True))
    # With all that there is to spend it is the best that is known, which costs nearly as much.
    best = float(COST.fraction(KNOWN.weights[KNOWN.errors.argmin()]))
    assert fractions[0] == pytest.approx(best) and best > 0.75


@pytest.mark.slow
def test_a_constraint_keeps_its_budgets_by_projection_alone() -> None:
    dial = Constraint().fitted(SPACE.kinds, TRADE)
    found = train(dial)
    fractions = COST.fraction(SPACE.one_hots(found)).tolist()
    budgets = dial.grid(12).flatten().tolist()
    # The expected cost keeps the budget; the likeliest option of a choice that is torn may cost more than it.
    assert all(fraction <= budget + 0.2 for fraction, budget in zip(fractions, budgets, strict=True))
    assert spearman(budgets, fractions) > 0.9
    assert fractions[0] > 0.8 and fractions[-1] < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Power, LogPower])
def test_an_exponent_turns_from_the_best_to_the_cheapest(kind: type[Scalar]) -> None:
    dial = kind().fitted(SPACE.kinds, Tradeoff.among(ERRORS, SPACE.one_hots(EVERY), COST))
    # In logarithms the first step up is the dearest: nothing leads from cheap to dear but imitation.
    found = train(dial, imitation=True, entropy=0.0)
    fractions = COST.fraction(SPACE.one_hots(found)).tolist()
    assert fractions[0] > 0.7 and fractions[-1] == 0
    # No rank correlation, as most positions share an architecture.
    assert fractions == sorted(fractions, reverse=True) and len(set(fractions)) >= 4
    assert sum(gaps(dial, found)) / 12 < 0.2


@pytest.mark.slow
def test_a_chebyshev_dial_has_more_members_than_a_sum() -> None:
    dial = Chebyshev().fitted(SPACE.kinds, TRADE)
    found = train(dial, imitation=True, entropy=0.0)
    assert sum(gaps(dial, found)) / 12 < 0.1
    fractions = COST.fraction(SPACE.one_hots(found)).tolist()
    assert fractions[-1] == 0 and fractions[0] > 0.7
    plain = train(Scalar().fitted(SPACE.kinds, TRADE), imitation=True, entropy=0.0)
    assert len(set(found)) > len(set(plain))


@pytest.mark.slow
def test_a_simplex_dial_takes_few_of_the_kind_that_it_penalises() -> None:
    dial = OperationSimplex().fitted(SPACE.kinds, TRADE)
    found = train(dial)
    convolutions = SPACE.kinds.index("sep_conv_3x3")
    counts = [SPACE.counts(a)["sep_conv_3x3"] for a in found]
    grid = dial.grid(12)
    assert spearman(grid[:, convolutions], torch.tensor(counts)) < -0.7
    assert counts[1 + convolutions] == min(counts) < max(counts)


def test_imitation_reproduces_the_best_that_is_known() -> None:
    """A constant predictor gives no gradient: all that is learnt comes from what was evaluated."""

    class Blind(Law):
        def each(self, weights: Tensor) -> Tensor:
            return torch.zeros(self.members, len(weights)) + 0.0 * weights.sum((-2, -1))

    dial = Scalar(1e-4, 2e-4)
    torch.manual_seed(0)
    hypernet = make_hypernet("constant", SPACE, 1)
    target = EVERY[100]
    known = Known.of(NETWORK, [Evaluated(a, 0.9 if a == target else 0.3, 1.0, ACCURACY) for a in EVERY[::10]])
    relaxation = make_relaxation("straight_through", SPACE)
    trainer = DialTrainer(dial, hypernet, Blind(SPACE), COST, relaxation, Temperature(), imitation=True, steps=60)
    trainer.fit(known, seeded(), rate=0.05)
    assert set(at_positions(SPACE, hypernet, dial, dial.grid(4))) == {target}


def test_training_repeats_to_the_bit() -> None:
    dial = Scalar().fitted(SPACE.kinds, TRADE)
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(0)
        hypernet = make_hypernet("mlp", SPACE, 1)
        relaxation = make_relaxation("straight_through", SPACE)
        DialTrainer(dial, hypernet, LAW, COST, relaxation, Temperature(), steps=5).fit(KNOWN, seeded(seed))
        states.append(torch.cat([p.detach().flatten() for p in hypernet.parameters()]))
    assert states[0].equal(states[1])
    assert not states[0].equal(states[2])


def test_what_is_known_and_its_best() -> None:
    items = [Evaluated(a, 1 - float(e), 0.0, ACCURACY) for a, e in zip(EVERY, ERRORS, strict=True)]
    known = Known.of(NETWORK, items)
    torch.testing.assert_close(known.errors, ERRORS)
    dial = Scalar().fitted(SPACE.kinds, TRADE)
    positions = dial.grid(5)
    table = known.objectives(dial, positions, COST)
    assert table.shape == (5, len(EVERY))
    chosen = Lesson.about(known, dial, positions, COST).best
    for row, position in enumerate(positions):
        assert float(table[row, chosen[row]]) == pytest.approx(best(dial, position))
        assert float(table[row, 17]) == pytest.approx(worth(dial, position, EVERY[17]))


def test_spread_is_never_zero() -> None:
    table = torch.tensor([[1.0, 3.0], [2.0, 2.0]])
    assert spread(table).tolist() == pytest.approx([1.0, 1e-4])


def test_thompson_of_one_mind_takes_the_best_of_the_pool_and_none_twice() -> None:
    dial = Scalar().fitted(SPACE.kinds, TRADE)
    positions = dial.grid(4)[[0, 0, 3]]
    found = thompson(LAW, dial, COST, EVERY, positions, seeded())
    assert len(set(found)) == 3
    assert worth(dial, positions[0], found[0]) == pytest.approx(best(dial, positions[0]))
    assert worth(dial, positions[2], found[2]) == pytest.approx(best(dial, positions[2]))
    ranked = sorted(EVERY, key=lambda a: worth(dial, positions[0], a))
    assert found[1] == ranked[1]
    few = thompson(LAW, dial, COST, EVERY[:2], dial.grid(9), seeded())
    assert sorted(few) == EVERY[:2]


def test_best_within_keeps_each_limit_and_takes_none_twice() -> None:
    costs = sorted({COST.of(architecture) for architecture in EVERY})
    limits = [costs[0] / 2, costs[0], costs[len(costs) // 2], costs[-1], costs[-1]]
    found = best_within(LAW, COST, EVERY, limits, seeded())
    assert len(found) == len(set(found)) == 4, "the first limit is below all"
    with torch.no_grad():
        errors = dict(zip(EVERY, LAW.each(SPACE.one_hots(EVERY))[0].tolist(), strict=True))
    for number, (limit, architecture) in enumerate(zip(limits[1:], found, strict=True)):
        left = [a for a in EVERY if COST.of(a) <= limit and a not in found[:number]]
        assert errors[architecture] == min(errors[a] for a in left)
    assert best_within(LAW, COST, [], limits, seeded()) == []
