"""The contract that every dial fulfils, as tests to subclass."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.once import priced_once
from archdial.cost.table.table import CostTable
from archdial.cost.table.terms import CostEntry, CostTerm
from archdial.dial import DIALS, Dial, Tradeoff, make_dial
from archdial.space import Architecture, Choice, Space

SPACE = Space(
    (
        Choice("a", ("skip", "conv", "pool"), ("skip", "conv", "pool")),
        Choice("b", ("conv",), ("conv",)),
        Choice("c", ("conv", "skip"), ("conv", "skip")),
    )
)
PRICES = {"skip": 0.0, "conv": 3.0, "pool": 1.0}
TRADE = Tradeoff(torch.tensor([0.9, 0.5, 0.2, 0.1, 0.6]), torch.tensor([0.0, 0.3, 0.6, 1.0, 0.8]))


def entry(*options: str, cost: float) -> CostEntry:
    """Return what a combination of options costs."""
    return CostEntry(options, cost, 0.0, 1, 1, 1)


def cost(*more: CostTerm) -> ExpectedCost:
    """Return the cost of the space: 10 ms for all, and for each choice that of its option."""
    single = (CostTerm((c.name,), tuple(entry(o, cost=PRICES[o]) for o in c.options)) for c in SPACE.choices)
    constant = CostTerm((), (entry(cost=10.0),))
    runtime = {"device": "cpu", "runtime": "eager", "threads": 1, "batch_size": 1}
    return ExpectedCost(SPACE, CostTable(SPACE.fingerprint, runtime, (constant, *single, *more)))


def seeded(seed: int = 0) -> torch.Generator:
    """Return a generator."""
    return torch.Generator().manual_seed(seed)


def soft(count: int, seed: int = 0) -> Tensor:
    """Return random option weights (count, m, k) that sum to 1 for each choice."""
    logits = 2 * torch.randn(count, *SPACE.shape, generator=seeded(seed), dtype=torch.float64)
    return logits.masked_fill(~SPACE.mask, -torch.inf).softmax(-1)


JOINT = CostTerm(("a", "c"), (entry("conv", "conv", cost=2.0),))
WRONG: list[Callable[[Tensor], list[float]]] = [
    lambda p: [*p.tolist(), 0.5],
    lambda p: [],
    lambda p: [-1.0] * len(p),
    lambda p: [float("nan")] * len(p),
    lambda p: [float("inf")] * len(p),
]


class DialContract:
    """What a search, `redial` and files rely on. Subclass it and return your dial, nothing of it fitted:

        class TestMyDial(archdial.testing.DialContract):
            def make(self) -> MyDial:
                return MyDial()

    Attributes:
        rises_with_cost: whether the most expensive architecture has the highest penalty at each position; not so for
            dials that penalise single kinds of operation.
    """

    rises_with_cost = True

    def make(self) -> Dial:
        """Return the dial with everything left open."""
        raise NotImplementedError(f"{type(self).__name__} needs a method make() that returns your dial")

    @pytest.fixture
    def open_dial(self) -> Dial:
        """The dial on a space of three kinds, its range still open."""
        return self.make().fitted(SPACE.kinds)

    @pytest.fixture
    def dial(self, open_dial: Dial) -> Dial:
        """The dial with its range found from evaluated architectures."""
        return open_dial.fitted(SPACE.kinds, TRADE)

    def test_is_registered_by_its_kind(self, dial: Dial) -> None:
        assert DIALS[dial.kind] is type(dial), "register it with archdial.dial.register_dial"

    @pytest.mark.parametrize("count", [1, 7, 500])
    def test_samples_lie_on_the_dial(self, dial: Dial, open_dial: Dial, count: int) -> None:
        for each in (dial, open_dial):
            positions = each.sample(count, seeded())
            assert positions.ndim == 2
            assert len(positions) == count
            for position in positions[:20]:
                each.check(position)
            assert each.encode(positions).shape == (count, each.features)

    def test_samples_follow_the_generator(self, dial: Dial) -> None:
        assert dial.sample(5, seeded(1)).equal(dial.sample(5, seeded(1)))
        assert not dial.sample(5, seeded(1)).equal(dial.sample(5, seeded(2)))
        torch.manual_seed(0)
        before = torch.get_rng_state()
        dial.sample(5, seeded())
        dial.grid(5)
        assert torch.get_rng_state().equal(before)

    @pytest.mark.parametrize("count", [5, 24])
    def test_grid_lies_on_the_dial_and_has_about_the_size(self, dial: Dial, count: int) -> None:
        grid = dial.grid(count)
        assert len(grid) == count
        assert grid.equal(dial.grid(count))
        assert len(grid.unique(dim=0)) == count
        for position in grid:
            dial.check(position)

    def test_codes_are_in_the_unit_cube_and_tell_positions_apart(self, dial: Dial) -> None:
        for positions in (dial.sample(200, seeded()), dial.grid(24)):
            codes = dial.encode(positions)
            assert ((codes >= 0) & (codes <= 1)).all()
            assert len(codes.unique(dim=0)) == len(positions.unique(dim=0))

    @pytest.mark.parametrize("more", [(), (JOINT,)])
    def test_penalty_is_one_number_a_row_and_never_negative(self, dial: Dial, more: tuple[CostTerm, ...]) -> None:
        positions, weights = dial.sample(50, seeded()), soft(50)
        penalty = dial.penalty(positions, weights, cost(*more))
        assert penalty.shape == (50,)
        assert (penalty >= -1e-12).all()
        assert (penalty > 0).any()
        alone = torch.cat([dial.penalty(positions[i : i + 1], weights[i : i + 1], cost(*more)) for i in range(50)])
        torch.testing.assert_close(penalty, alone)

    @pytest.mark.parametrize("more", [(), (JOINT,)])
    def test_what_is_priced_once_costs_the_same(self, dial: Dial, more: tuple[CostTerm, ...]) -> None:
        rows, table = soft(7), cost(*more)
        once = priced_once(table, rows)
        positions = dial.sample(21, seeded())
        for weights in (rows.repeat(3, 1, 1), soft(21), rows.repeat(3, 1, 1).flip(0)):
            assert dial.penalty(positions, weights, once).equal(dial.penalty(positions, weights, table))
        # Whatever else a dial may ask of a cost.
        for one, other in zip(once.each, table.each, strict=True):
            ends = one.extremes()
            assert ends == other.extremes() and (one.lowest, one.highest) == (other.lowest, other.highest)
            assert one(rows).equal(other(rows)) and one.of(ends[0]) == other.of(ends[0])
            assert one.ratio.equal(other.ratio) and one.products() == other.products()
            assert set(dict(other.named_modules())) == set(dict(one.named_modules()))

    def test_cheapest_costs_nothing_and_dearest_the_most(self, dial: Dial) -> None:
        table = cost()
        every = [Architecture(o) for o in itertools.product(*(range(len(c.options)) for c in SPACE.choices))]
        weights = SPACE.one_hots(every)
        cheap, dear = (every.index(architecture) for architecture in table.extremes())
        for position in dial.grid(8):
            penalties = dial.penalty(position.expand(len(every), -1), weights, table)
            assert penalties[cheap] == penalties.min()
            if self.rises_with_cost:
                assert penalties[dear] == penalties.max()

    def test_gradients_of_the_penalty_are_finite_and_right(self, dial: Dial) -> None:
        positions, weights = dial.sample(6, seeded()).double(), soft(6).requires_grad_()
        table = cost(JOINT)
        if dial.constrained:
            assert not dial.penalty(positions, weights, table).requires_grad, "projection moves it, and nothing else"
            return
        assert torch.autograd.gradcheck(lambda w: dial.penalty(positions, w, table), weights, eps=1e-6, atol=1e-5)

    def test_json_round_trip(self, dial: Dial, open_dial: Dial) -> None:
        for each in (dial, open_dial):
            value = json.loads(json.dumps(each.to_json()))
            assert value["kind"] == each.kind
            assert make_dial(value) == each
            assert make_dial(value).sample(3, seeded()).equal(each.sample(3, seeded()))

    def test_value_and_position_are_inverted(self, dial: Dial) -> None:
        for position in dial.grid(9):
            value = json.loads(json.dumps(dial.value(position)))
            torch.testing.assert_close(dial.position(value), position, atol=1e-5, rtol=1e-6)
            assert dial.value(dial.position(value)) == pytest.approx(value, abs=1e-6)

    def test_fitting_again_changes_nothing(self, dial: Dial) -> None:
        assert dial.fitted(SPACE.kinds, TRADE) == dial
        other = Tradeoff(10 * TRADE.losses, TRADE.costs)
        assert dial.fitted(SPACE.kinds, other) == dial
        assert dial.fitted(SPACE.kinds) == dial

    def test_fitting_finds_what_was_left_open(self, dial: Dial, open_dial: Dial) -> None:
        assert dial != open_dial
        assert None not in dial.settings().values()
        assert None in open_dial.settings().values()

    def test_an_opened_dial_is_fitted_to_other_costs(self, dial: Dial) -> None:
        assert dial.opened().fitted(SPACE.kinds, TRADE) == dial
        other = Tradeoff(TRADE.losses**3, TRADE.costs)
        assert dial.opened().fitted(SPACE.kinds, other) != dial

    def test_the_objective_rises_with_task_loss_and_penalty(self, dial: Dial) -> None:
        task, penalty = torch.tensor([0.2, 0.4, 0.4]), torch.tensor([0.5, 0.5, 0.7])
        joined = dial.join(task, penalty)
        assert joined.shape == (3,) and joined.diff().min() > 0
        assert dial.join(task, torch.zeros(3)).argsort(stable=True).tolist() == [0, 1, 2]

    def test_excess_is_one_number_a_row_and_positive_only_with_constraints(self, dial: Dial) -> None:
        positions, weights = dial.sample(50, seeded()), soft(50)
        excess = dial.excess(positions, weights, cost())
        assert excess.shape == (50,)
        assert bool((excess > 0).any()) == dial.constrained

    @pytest.mark.parametrize("wrong", WRONG)
    def test_positions_off_the_dial(self, dial: Dial, wrong: Callable[[Tensor], list[float]]) -> None:
        with pytest.raises(UsageError, match=r"expected|number"):
            dial.position(wrong(dial.grid(5)[0]))

    def test_unknown_settings(self, dial: Dial) -> None:
        with pytest.raises(UsageError, match=f"unknown setting of the dial {dial.kind} 'no_such'"):
            make_dial({"kind": dial.kind, "no_such": 1})
