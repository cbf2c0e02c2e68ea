"""Choices, spaces and architectures."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archdial.common.errors import UsageError
from archdial.space import Architecture, Choice, Space

SPACE = Space(
    (
        Choice("a", ("skip", "conv", "pool"), ("cheap", "dear", "cheap")),
        Choice("b", ("conv",), ("dear",)),
        Choice("c", ("conv", "skip"), ("dear", "cheap")),
    )
)
NAMES = st.text("abcxyz/<-_", min_size=1, max_size=4)


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    choices = []
    for name in names:
        options = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
        kinds = draw(st.lists(st.sampled_from(("p", "q", "r")), min_size=len(options), max_size=len(options)))
        choices.append(Choice(name, tuple(options), tuple(kinds)))
    return Space(tuple(choices))


@settings(max_examples=40, deadline=None)
@given(spaces(), st.integers(0, 99))
def test_describe_one_hot_and_json_are_inverted(space: Space, seed: int) -> None:
    architecture = space.random(torch.Generator().manual_seed(seed))
    assert space.parse(json.loads(json.dumps(space.describe(architecture)))) == architecture
    weights = space.one_hot(architecture)
    assert weights.sum(1).tolist() == [1.0] * len(space.choices)
    assert not weights[~space.mask].any()
    assert space.argmax(weights) == architecture
    again = Space.from_json(json.loads(json.dumps(space.to_json())))
    assert again == space
    assert again.fingerprint == space.fingerprint


@settings(max_examples=40, deadline=None)
@given(spaces(), st.integers(0, 99))
def test_counts_are_the_one_hot_weights_by_kind(space: Space, seed: int) -> None:
    architecture = space.random(torch.Generator().manual_seed(seed))
    by_kind = torch.einsum("mk,qmk->q", space.one_hot(architecture), space.membership)
    counts = space.counts(architecture)
    assert list(counts) == list(space.kinds)
    assert list(counts.values()) == by_kind.tolist()
    assert sum(counts.values()) == len(space.choices)
    assert space.membership.sum(0).equal(space.mask.float())


def test_mask_kinds_and_counts_by_hand() -> None:
    assert SPACE.shape == (3, 3)
    assert SPACE.mask.tolist() == [[True, True, True], [True, False, False], [True, True, False]]
    assert SPACE.kinds == ("cheap", "dear")
    assert SPACE.counts(Architecture((2, 0, 1))) == {"cheap": 2, "dear": 1}
    assert SPACE.describe(Architecture((2, 0, 1))) == {"a": "pool", "b": "conv", "c": "skip"}


def test_missing_options_never_win_and_are_never_drawn() -> None:
    logits = torch.zeros(SPACE.shape).masked_fill(~SPACE.mask, 1e9)
    logits[2, 1] = 1.0
    assert SPACE.argmax(logits) == Architecture((0, 0, 1))
    generator = torch.Generator().manual_seed(0)
    drawn = {SPACE.random(generator) for _ in range(200)}
    assert len(drawn) == 3 * 1 * 2, "each architecture turns up, and no other"


def test_uniform_takes_the_option_where_it_is() -> None:
    assert SPACE.uniform("skip") == Architecture((0, 0, 1))
    assert SPACE.uniform("pool") == Architecture((2, 0, 0))
    with pytest.raises(UsageError, match="unknown option 'pol': did you mean 'pool'"):
        SPACE.uniform("pol")


def test_one_hots() -> None:
    both = [Architecture((0, 0, 0)), Architecture((1, 0, 1))]
    assert SPACE.one_hots(both).equal(torch.stack([SPACE.one_hot(a) for a in both]))
    assert SPACE.one_hots([]).shape == (0, 3, 3)


def test_fingerprint_tells_spaces_apart() -> None:
    first, *rest = SPACE.choices
    others = [
        Choice("a", ("skip", "conv", "avg"), first.kinds),
        Choice("a", ("conv", "skip", "pool"), first.kinds),
        Choice("a", first.options, ("cheap", "dear", "dear")),
        Choice("z", first.options, first.kinds),
        Choice("a", first.options[:2], first.kinds[:2]),
    ]
    prints = {Space((other, *rest)).fingerprint for other in (first, *others)}
    assert len(prints) == 6
    assert Space((*rest, first)).fingerprint not in prints
    assert Space((first, *rest)).fingerprint == SPACE.fingerprint


@pytest.mark.parametrize("options", [(0, 0), (0, 0, 0, 0), (3, 0, 0), (0, 1, 0), (-1, 0, 0)])
def test_architectures_that_do_not_fit(options: tuple[int, ...]) -> None:
    for use in (SPACE.check, SPACE.one_hot, SPACE.describe):
        with pytest.raises(UsageError):
            use(Architecture(options))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": None}, "has no option for 'a'"),
        ({"a": "cony"}, "did you mean 'conv'"),
        ({"d": "conv"}, "unknown choice 'd'"),
        ({"a": 1}, "unknown option of a"),
    ],
)
def test_wrong_descriptions(change: dict[str, str | None], message: str) -> None:
    value = {"a": "conv", "b": "conv", "c": "skip", **change}
    with pytest.raises(UsageError, match=message):
        SPACE.parse({name: option for name, option in value.items() if option is not None})


@pytest.mark.parametrize("options", [(), ("x", "x")])
def test_wrong_choices(options: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="at least one name, all distinct"):
        Choice("a", options, options)


def test_wrong_spaces() -> None:
    with pytest.raises(UsageError, match="2 options and 1 kinds"):
        Choice("a", ("x", "y"), ("p",))
    for choices in ((), (SPACE.choices[0], SPACE.choices[0])):
        with pytest.raises(UsageError, match="at least one choice, all with distinct names"):
            Space(choices)


@pytest.mark.parametrize("value", [None, 3, ["ab"], [{"name": "a"}], [{"name": "a", "options": "xy", "kinds": ["p"]}]])
def test_json_that_is_no_space(value: object) -> None:
    with pytest.raises(UsageError, match="not a valid space"):
        Space.from_json(value)  # type: ignore[arg-type]
