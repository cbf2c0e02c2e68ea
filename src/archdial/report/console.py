"""Members as a table on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from archdial.common.errors import readable
from archdial.report.numbers import read_member
from archdial.report.points import MemberNumbers
from archdial.report.wording import (
    after_training_heading,
    after_training_text,
    counts_text,
    dial_text,
    figure_headings,
    figure_text,
)
from archdial.tasks.measure import Measure


def members_table(members: Sequence[Mapping[str, Any]], title: str, measure: Measure) -> Table:
    """Return a table of members as in a members file; predicted figures have a "~" in front.

    Raises:
        UsageError: a member lacks a figure.
    """
    rows = [read_member(member, f"members[{i}]", measure) for i, member in enumerate(members)]
    headings = figure_headings(measure)
    kinds = list(dict.fromkeys(kind for row in rows for kind in row.counts))
    refined = any(row.after_training for row in rows)
    table = Table(title=Text(readable(title)), caption=_caption(rows, list(headings), refined=refined))
    table.add_column("dial", no_wrap=True)
    for heading in headings.values():
        table.add_column(heading, justify="right", no_wrap=True)
    if refined:
        table.add_column(after_training_heading(measure), justify="right", no_wrap=True)
    table.add_column("operations")
    for row in rows:
        figures = [Text(figure_text(row, figure, measure)) for figure in headings]
        figures += [Text(after_training_text(row, measure))] if refined else []
        # Text, as rich would read brackets in a name as markup; readable, as a terminal would obey escapes in it.
        table.add_row(Text(dial_text(row.dial)), *figures, Text(readable(counts_text(row, kinds))))
    return table


def _caption(rows: Sequence[MemberNumbers], figures: Sequence[str], *, refined: bool) -> str | None:
    """Return what the signs in a table mean."""
    predicted = any(row.predicted(figure) for row in rows for figure in figures)
    guessed = any(row.after_training is not None and row.after_training.provenance == "predicted" for row in rows)
    said = ["~ predicted, not measured"] if predicted or guessed else []
    said += (
        ["trained: validation score after individual training, which determines the ranking in a refined family"]
        if refined
        else []
    )
    return "; ".join(said) or None
