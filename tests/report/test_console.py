"""The table on a terminal, and how figures are written."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from archdial.common.errors import UsageError
from archdial.report.console import members_table
from archdial.report.wording import dial_name, dial_text, short_count
from archdial.tasks.measure import ACCURACY


def shown(members: list[dict[str, Any]], title: str = "members") -> str:
    console = Console(file=StringIO(), width=160)
    console.print(members_table(members, title, ACCURACY))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_rows_show_the_figures(scalar_file: dict[str, Any]) -> None:
    member = scalar_file["members"][0] | {"accuracy": 0.9123, "latency_ms": 1.234, "parameters": 12345}
    member |= {"flops": 5_600_000, "counts": {"identity": 3, "sep_conv_3x3": 0, "max_pool_3x3": 1}}
    row = next(line for line in shown([member]).splitlines() if "91.23" in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells == ["0.001", "91.23", "~1.23", "12.3 k", "5.60 M", "3× identity, 1× max_pool_3x3"]


def test_brackets_in_names_are_text(scalar_file: dict[str, Any]) -> None:
    member = scalar_file["members"][0] | {"counts": {"[red]x[/red]": 2}, "dial": None}
    text = shown([member], "at [bold]here")
    assert "2× [red]x[/red]" in text and "at [bold]here" in text and "–" in text


def test_a_terminal_obeys_no_name(scalar_file: dict[str, Any]) -> None:
    member = scalar_file["members"][0] | {"counts": {"\x1b]8;;http://x\x07[link=http://x]a[/link]\r\u202eb": 2}}
    text = shown([member], "at \x1b[2J[link=http://x]here")
    assert "[link=http://x]a[/link]" in text and "[link=http://x]here" in text
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)


def test_no_note_on_predictions_where_all_is_measured(scalar_file: dict[str, Any]) -> None:
    member = scalar_file["members"][0]
    assert "predicted" in shown([member])
    assert "predicted" not in shown([member | {"provenance": {"accuracy": "measured"}}])


def test_malformed_members_are_named(scalar_file: dict[str, Any]) -> None:
    rows = scalar_file["members"]
    del rows[1]["flops"]
    with pytest.raises(UsageError, match=r"members\[1\].flops"):
        members_table(rows, "members", ACCURACY)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (12_345, "12.3 k"),
        (999_499, "999 k"),
        (999_600, "1.00 M"),
        (2.5e9, "2.50 G"),
    ],
)
def test_counts_have_three_digits(value: float, text: str) -> None:
    assert short_count(value) == text


def test_dials_as_text() -> None:
    assert [dial_text(None), dial_text(0.25), dial_text((0.2, 0.8))] == ["–", "0.25", "(0.2, 0.8)"]
    assert [dial_name("scalar"), dial_name("own")] == ["λ", "dial"]


def test_what_members_score_after_training_has_a_column(scalar_file: dict[str, Any]) -> None:
    one, other = (dict(member) for member in scalar_file["members"][:2])
    assert "trained" not in shown([one])
    one["after_training"] = {"accuracy": 0.9345, "provenance": "measured"}
    other["after_training"] = {"accuracy": 0.9123, "provenance": "predicted"}
    text = shown([one, other])
    assert "trained %" in text and " 93.45 " in text and "~91.23" in text and "~93.45" not in text
    one["after_training"]["accuracy"] = 1.2
    with pytest.raises(UsageError, match=r"after_training\.accuracy is 1\.2"):
        shown([one])
