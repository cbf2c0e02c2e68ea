"""Architectures worth a look."""

from __future__ import annotations

import itertools

import torch

from archdial.cost.pricing.expected import ExpectedCost
from archdial.dial import Scalar
from archdial.hypernet import Hypernetwork, make_hypernet
from archdial.searching.candidates import at_positions, front, likely, mutated, one_apart, unseen
from archdial.searching.evaluation import Evaluated
from archdial.space import Architecture, Choice, Space
from archdial.tasks.measure import ACCURACY
from tests.networks.examples import counted_table, drawn, tiny

SIZES = (3, 1, 4, 2)
SPACE = Space(tuple(Choice(f"c{n}", tuple("wxyz"[:s]), tuple("wxyz"[:s])) for n, s in enumerate(SIZES)))
DIAL = Scalar(0.01, 10.0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def turning() -> Hypernetwork:
    """Option 0 at the accurate end, the last option at the cheap one."""
    hypernet = make_hypernet("linear", SPACE, 1)
    with torch.no_grad():
        hypernet.offset.zero_()[:, 0] = 8.0
        hypernet.slope.zero_()
        for row, size in enumerate(SIZES):
            hypernet.slope[0, row, size - 1] += 16.0
    return hypernet


def test_at_positions_is_the_most_likely() -> None:
    found = at_positions(SPACE, turning(), DIAL, DIAL.grid(5))
    assert found[0] == Architecture((0, 0, 0, 0))
    assert found[-1] == Architecture((2, 0, 3, 1))
    assert len(found) == 5


def test_likely_draws_by_the_probabilities() -> None:
    hypernet, grid = turning(), torch.tensor([[0.01], [10.0**-0.5]])
    found = likely(SPACE, hypernet, DIAL, grid, 400, seeded())
    assert len(found) == 800
    for architecture in found:
        SPACE.check(architecture)
    probabilities = hypernet(DIAL.encode(grid)).softmax(-1)
    for index, part in enumerate((found[:400], found[400:])):
        frequencies = SPACE.one_hots(part).mean(0)
        torch.testing.assert_close(frequencies, probabilities[index], atol=0.1, rtol=0)
    assert found == likely(SPACE, hypernet, DIAL, grid, 400, seeded())


def test_mutants_differ_from_their_parents_in_at_most_three_choices() -> None:
    parents = [Architecture((0, 0, 0, 0)), Architecture((2, 0, 3, 1))]
    children = mutated(SPACE, parents, 600, seeded())
    assert len(children) == 600
    for number, child in enumerate(children):
        SPACE.check(child)
        changed = sum(a != b for a, b in zip(child.options, parents[number % 2].options, strict=True))
        assert changed <= 3
    assert len(set(children)) == 3 * 4 * 2, "all that can be reached is reached"
    assert parents == [Architecture((0, 0, 0, 0)), Architecture((2, 0, 3, 1))]


def test_one_apart_is_each_other_option_of_each_choice_once() -> None:
    start = drawn(SPACE, 1)[0]
    found = one_apart(SPACE, start)
    assert len(set(found)) == len(found) == sum(SIZES) - len(SIZES)
    for other in found:
        SPACE.check(other)
        assert sum(a != b for a, b in zip(start.options, other.options, strict=True)) == 1


def test_unseen_keeps_the_order_and_drops_repetitions() -> None:
    a, b, c = (Architecture((n,)) for n in range(3))
    assert unseen([c, a, c, b, a], [b]) == [c, a]
    assert unseen([], [a]) == []


def test_front_by_brute_force() -> None:
    network = tiny(cells=1)
    cost = ExpectedCost(network.space, counted_table(network))
    accuracies = torch.rand(40, generator=seeded()).tolist()
    items = [
        Evaluated(a, accuracy, 0.0, ACCURACY) for a, accuracy in zip(drawn(network.space, 40), accuracies, strict=True)
    ]

    def beats(one: Evaluated, other: Evaluated) -> bool:
        cheaper = cost.of(one.architecture) - cost.of(other.architecture)
        better = one.accuracy - other.accuracy
        return cheaper <= 0 and better >= 0 and (cheaper < 0 or better > 0)

    expected = [item for item in items if not any(beats(other, item) for other in items)]
    found = front(items, cost)
    assert set(found) == set(expected)
    assert all(cost.of(a.architecture) < cost.of(b.architecture) for a, b in itertools.pairwise(found))
    assert front([], cost) == []
