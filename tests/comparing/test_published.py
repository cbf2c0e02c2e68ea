"""What a paper had at a position of the dial, beside what a family has there."""

from __future__ import annotations

import pytest
from rich.console import Console

from archdial.common.errors import UsageError
from archdial.comparing.published import Published, beside, published_table
from archdial.runs.recipe import read_recipe
from tests.toy import Toy

ROWS = (
    Published("accurate", 0.01, 0.91, 1200, {"sep_conv_3x3": 5, "identity|max_pool_3x3": 0}),
    Published("cheap", 10.0, 0.6, None, {"sep_conv_3x3": 0, "identity|max_pool_3x3": 5}),
)


def test_each_row_has_the_member_at_its_position(toy: Toy) -> None:
    found = beside(toy.family, ROWS)
    assert [row["published"]["name"] for row in found] == ["accurate", "cheap"]
    for row, told in zip(found, ROWS, strict=True):
        member = toy.family.at(told.position)
        assert row["ours"]["architecture"] == toy.family.space.describe(member.architecture)
        counts = toy.family.space.counts(member.architecture)
        assert row["ours"]["counts"] == {
            "sep_conv_3x3": counts["sep_conv_3x3"],
            "identity|max_pool_3x3": counts["identity"] + counts["max_pool_3x3"],
        }


def test_the_table_has_a_pair_of_columns_for_each_figure(toy: Toy) -> None:
    console = Console(width=300, record=True)
    console.print(published_table(beside(toy.family, ROWS)))
    text = console.export_text()
    assert "91.00" in text and "1,200" in text and "–" in text
    assert text.count("ours") >= 4


def test_an_accuracy_is_a_share() -> None:
    with pytest.raises(UsageError, match=r"published.accuracy is 91: expected at most 1"):
        Published("a", 1.0, 91)


def test_an_area_is_a_share() -> None:
    recipe = "data: digits\nchannels: 1\npublished_areas: {hypernetwork: 0.3, drawn: 6.5}\n"
    with pytest.raises(UsageError, match=r"published_areas.drawn is 6.5: expected at most 1"):
        read_recipe(recipe, "mine.yaml")


def test_a_position_off_the_dial_is_refused(toy: Toy) -> None:
    with pytest.raises(UsageError, match="expected a positive number"):
        beside(toy.family, [Published("a", -1.0, 0.5)])
