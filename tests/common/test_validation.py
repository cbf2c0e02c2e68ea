"""The validator: what pydantic finds becomes one sentence with path, value, expectation and the nearest right key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import ConfigDict, Field

from archdial.common.errors import UsageError
from archdial.common.limits import Count, Milliseconds, Name, NoFlag, PlainName, Rate, Seed, Share, Size, Text
from archdial.common.validation import check_fields, conforming, validated


@dataclass(frozen=True)
class Leaf:
    size: Size
    share: Share = 0.5


@dataclass(frozen=True)
class Branch:
    c: tuple[Leaf, ...] = ()
    named: Mapping[str, Leaf] = field(default_factory=dict)


@dataclass(frozen=True)
class Tree:
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    a: Branch = field(default_factory=Branch)
    position: Share | tuple[Share, ...] | None = None
    method: Literal["first", "second"] = "first"
    epochs: Count = 1

    def __post_init__(self) -> None:
        check_fields(self)
        if self.epochs == 13:
            raise UsageError("epochs is 13, which brings bad luck: take 14")


def refusal(value: object, kind: Any = Tree, under: str = "") -> str:
    with pytest.raises(UsageError) as caught:
        conforming(kind, value, under)
    return str(caught.value)


def test_what_fits_is_made() -> None:
    made = validated(Tree, {"a": {"c": [{"size": 3.0}]}, "position": [0.5, 1], "epochs": 2})
    assert made == Tree(Branch((Leaf(3),)), (0.5, 1.0), "first", 2)
    assert type(made.a.c[0].size) is int


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": {"c": [{"size": 0}]}}, "a.c[0].size is 0: expected at least 1"),
        ({"a": {"c": [{"size": 1}, {"size": 70_000}]}}, "a.c[1].size is 70000: expected at most 65,536"),
        ({"a": {"c": [{"size": "8"}]}}, 'a.c[0].size is "8": expected a whole number'),
        ({"a": {"c": [{"size": 1.5}]}}, "a.c[0].size is 1.5: expected a whole number"),
        ({"a": {"c": [{"size": True}]}}, "a.c[0].size is true: expected a whole number"),
        ({"a": {"c": [{"size": None}]}}, "a.c[0].size is null: expected a whole number"),
        ({"a": {"c": [{}]}}, "the key a.c[0].size is missing: add `a.c[0].size: …`"),
        ({"a": {"c": [7]}}, "a.c[0] is 7: expected a section of keys and values"),
        ({"a": {"c": {}}}, "a.c is {}: expected a list"),
        ({"a": {"named": {"x y": {"size": 0}}}}, "a.named.x y.size is 0: expected at least 1"),
        ({"a": {"named": []}}, "a.named is []: expected a section of keys and values"),
        ({"method": "secnd"}, "unknown method 'secnd': did you mean 'second'? known: first, second"),
        ({"method": 1}, "method is 1: expected 'first' or 'second'"),
        (
            {"epoch": 3},
            "epoch: unknown key 'epoch': did you mean 'epochs'? known: a, position, method, epochs",
        ),
        ({"epochs": 13}, "epochs is 13, which brings bad luck: take 14"),
        ([], "it is []: expected a section of keys and values"),
    ],
)
def test_sentences(value: object, sentence: str) -> None:
    assert refusal(value) == sentence


def test_a_union_tells_what_each_arm_expects() -> None:
    assert refusal({"position": "left"}) == 'position is "left": expected a number or a list'
    assert refusal({"position": [0.5, 2]}).startswith("position is [0.5, 2]: expected a number")


def test_paths_begin_where_the_value_stands() -> None:
    assert refusal({"c": [{"size": 0}]}, Branch, "network") == "network.c[0].size is 0: expected at least 1"
    assert refusal(0, Size, "hidden") == "hidden is 0: expected at least 1"


def test_a_place_may_have_a_name() -> None:
    with pytest.raises(UsageError, match=r"^a\.c\[0\]\.size \(the first\) is 0: expected at least 1$"):
        validated(Tree, {"a": {"c": [{"size": 0}]}}, says=lambda place: "the first" if place[-1] == "size" else "")


@pytest.mark.parametrize(
    ("kind", "least", "most", "below", "above"),
    [
        (Count, 1, 1_000_000, 0, 1_000_001),
        (Size, 1, 65_536, 0, 65_537),
        (Share, 0, 1, -1e-9, 1 + 1e-9),
        (Milliseconds, 0, 1e9, -1e-9, 1.1e9),
        (Rate, 1e-30, 1e6, 0, 1.1e6),
        (Seed, 0, 2**63 - 1, -1, 2**63),
        (Name, "a", "a" * 500, "", "a" * 501),
        (Text, "", "a" * 10_000, None, "a" * 10_001),
        (PlainName, "pi4", "a" * 100, " pi4", "a/b"),
    ],
)
def test_bounds(kind: Any, least: object, most: object, below: object, above: object) -> None:
    assert conforming(kind, least) == least
    assert conforming(kind, most) == most
    for value in (below, above):
        assert "expected" in refusal(value, kind, "it")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, -(10**400)])
def test_numbers_are_finite(value: float) -> None:
    assert "share is" in refusal(value, Share, "share")


def test_true_is_none_of_the_numbers() -> None:
    kind = Annotated[Literal[1, 3], NoFlag]
    assert conforming(kind, 3) == 3
    assert refusal(True, kind, "channels") == "channels is true: expected a number"
    assert refusal("1", kind, "channels") == 'channels is "1": expected 1 or 3'


def test_long_values_are_cut() -> None:
    told = refusal({"method": "x" * 1_000_000})
    assert len(told) < 200 and told.startswith("unknown method 'xxx")
    told = refusal({"a": {"named": {"k" * 1_000_000: {"size": 10**300}}}})
    assert len(told) < 300 and "a number of 301 digits" in told
    assert len(refusal({"a": {"c": [["y" * 1_000] * 1_000]}})) < 200


def test_what_a_terminal_would_obey_is_spelt_out() -> None:
    assert r"\x1b[31m" in refusal({"\x1b[31mred": 1})


@pytest.mark.parametrize("value", ["\ud800", {"a\udfff": 1}, {"a": {"c": ["\ud800"]}}])
def test_halves_of_characters(value: object) -> None:
    assert refusal(value).isprintable()


def test_nesting_without_end() -> None:
    value: Any = {}
    for _ in range(100_000):
        value = {"a": value}
    assert "is nested too deeply" in refusal(value, under="the file")


@pytest.mark.slow
def test_the_first_of_a_million_errors_is_told() -> None:
    wrong = {"a": {"named": {f"n{number}": {"size": 0} for number in range(20_000)}}}
    assert refusal(wrong) == "a.named.n0.size is 0: expected at least 1"
    late = {**{f"n{number}": {"size": 1} for number in range(20)}, **{f"m{n}": {"size": 0} for n in range(20_000)}}
    assert (
        refusal({"a": {"named": late}}, under="it")
        == "it has 20,000 values of the wrong type: expected a file written by archdial"
    )


def test_fields_of_what_python_makes_are_checked_too() -> None:
    with pytest.raises(UsageError, match=r"^epochs is 0: expected at least 1$"):
        Tree(epochs=0)

    @dataclass(frozen=True)
    class Open:
        few: Annotated[tuple[int, ...], Field(max_length=2)] = ()

        def __post_init__(self) -> None:
            check_fields(self, "open")

    with pytest.raises(UsageError, match=r"^open\.few is \[1, 2, 3\]: expected a list of length at most 2$"):
        Open((1, 2, 3))
