"""How paths are drawn."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from archdial.common.errors import UsageError
from archdial.searching.paths import PATHS, make_paths
from archdial.space import Architecture, Choice, Space

SIZES = (4, 2, 1, 4)
UNEVEN = Space(tuple(Choice(f"c{n}", tuple("wxyz"[:size]), tuple("wxyz"[:size])) for n, size in enumerate(SIZES)))
EVEN = Space(tuple(Choice(f"c{n}", ("x", "y", "z"), ("x", "y", "z")) for n in range(10)))


def draw(name: str, space: Space, count: int, seed: int = 0) -> list[Architecture]:
    paths, generator = make_paths(name, space), torch.Generator().manual_seed(seed)
    return [paths.draw(generator) for _ in range(count)]


@pytest.mark.parametrize("name", PATHS)
def test_paths_lie_in_the_space_and_follow_the_generator(name: str) -> None:
    drawn = draw(name, UNEVEN, 60)
    for architecture in drawn:
        UNEVEN.check(architecture)
    assert drawn == draw(name, UNEVEN, 60)
    assert drawn != draw(name, UNEVEN, 60, seed=1)


@pytest.mark.parametrize("name", ["uniform", "shares"])
def test_each_option_of_a_choice_comes_equally_often(name: str) -> None:
    drawn = draw(name, EVEN, 2400)
    for row in range(len(EVEN.choices)):
        found = Counter(a.options[row] for a in drawn)
        # 800 each, within five standard deviations of a binomial.
        assert max(abs(found[option] - 800) for option in range(3)) < 5 * (2400 * 2 / 9) ** 0.5


@pytest.mark.slow
def test_kept_takes_the_first_option_throughout_in_a_quarter_of_all_paths_and_any_share_of_it_else() -> None:
    drawn = draw("kept", EVEN, 4000)
    whole = sum(a.options == (0,) * len(EVEN.choices) for a in drawn)
    # Beside that quarter, three choices are all kept with the mean of share³ over [0, 1], which is a quarter.
    expected = 4000 * (0.25 + 0.75 / (len(EVEN.choices) + 1))
    assert abs(whole - expected) < 5 * (4000 * 0.25) ** 0.5
    for row in range(len(EVEN.choices)):
        found = Counter(a.options[row] for a in drawn)
        assert abs(found[0] - 2500) < 5 * (4000 / 4) ** 0.5
        assert abs(found[1] - found[2]) < 5 * 1500**0.5


def test_uniform_draws_choices_independently() -> None:
    drawn = draw("uniform", EVEN, 3000)
    pairs = Counter(a.options[:2] for a in drawn)
    assert len(pairs) == 9
    assert max(abs(count - 3000 / 9) for count in pairs.values()) < 4 * (3000 * 8 / 81) ** 0.5


def test_shares_reach_the_corners_and_uniform_does_not() -> None:
    def fullest(name: str) -> list[int]:
        return [max(EVEN.counts(a).values()) for a in draw(name, EVEN, 400)]

    shares, uniform = fullest("shares"), fullest("uniform")
    assert sum(count == 10 for count in shares) > 20
    assert sum(count == 10 for count in uniform) == 0
    # All three kinds still come together too.
    assert min(shares) <= 4


def test_shares_serve_choices_that_lack_a_kind() -> None:
    space = Space((Choice("a", ("x", "y"), ("p", "p")), Choice("b", ("z",), ("q",)), Choice("c", ("x",), ("r",))))
    assert set(draw("shares", space, 50)) == {Architecture((0, 0, 0)), Architecture((1, 0, 0))}


def test_unknown_distribution() -> None:
    with pytest.raises(UsageError, match="did you mean 'uniform'"):
        make_paths("uniforn", EVEN)


def test_a_sandwich_has_the_narrowest_in_an_eighth_and_the_whole_as_kept_has() -> None:
    widths = Choice("w", ("1", "0.5", "0.25", "0"), ("conv", "conv", "conv", "dropped"))
    space = Space((widths, Choice("g", ("keep", "drop"), ("relu", "dropped")), *EVEN.choices[:3]))
    drawn = draw("sandwich", space, 4000)
    found = Counter(a.options for a in drawn)
    # The narrowest drops nothing: of each choice the last option of the kind of the first.
    assert abs(found[2, 0, 0, 0, 0] - 500) < 5 * (4000 / 8) ** 0.5 + 40
    whole = 4000 * 7 / 8 * (0.25 + 0.75 / 6)
    assert abs(found[0, 0, 0, 0, 0] - whole) < 5 * (4000 * 0.25) ** 0.5
