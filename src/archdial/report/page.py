"""A members file as one HTML page that works offline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from archdial.common.files import write_text
from archdial.report.as_good import as_good_html
from archdial.report.cells import cells_figure
from archdial.report.comparison import Comparison, read_comparison
from archdial.report.experiments import Experiments, read_experiments
from archdial.report.figures import counts_figure, front_figure
from archdial.report.numbers import ReportNumbers, report_numbers
from archdial.report.page_assets import CSS, SCRIPT
from archdial.report.page_dial import dial_data, dial_section
from archdial.report.page_dial_script import DIAL_SCRIPT
from archdial.report.page_policy import policy
from archdial.report.page_section import chart, section
from archdial.report.page_table import table_html
from archdial.report.page_trials import trial_charts, trial_sections
from archdial.report.points import MemberNumbers
from archdial.report.wording import dial_name, dial_text, figure_text, score_of
from archdial.tasks.measure import ACCURACY, Measure

_SCRIPTS = SCRIPT + DIAL_SCRIPT
_EDGES = 10_000
"""Choices whose cells are drawn, of all members that can be picked together."""


def write_page(
    path: Path,
    members_json: Mapping[str, Any],
    comparison: Mapping[str, Any] | None = None,
    experiments: Mapping[str, Any] | None = None,
) -> Path:
    """Write the report of a members file to `path`; plotly.js is inside, so the file is about 5 MB.

    Args:
        comparison: what comparison.json holds, if it is to be shown.
        experiments: what experiments.json holds, if it is to be shown.

    Raises:
        UsageError: one of the files is malformed.
    """
    compared = None if comparison is None else read_comparison(comparison)
    tried = None if experiments is None else read_experiments(experiments)
    return write_text(path, page_html(report_numbers(members_json), compared, tried))


def page_html(
    numbers: ReportNumbers, comparison: Comparison | None = None, experiments: Experiments | None = None
) -> str:
    """Return the page as text; it is the same for the same numbers."""
    title = escape(f"{numbers.data}: one search, {len(numbers.members)} members".lstrip(": "))
    drawn = {i: figure for i in _pickable(numbers) if (figure := cells_figure(numbers, numbers.members[i]))}
    cells = {str(i): figure for i, figure in drawn.items()}
    charts = {"front": front_figure(numbers), "counts": counts_figure(numbers), **trial_charts(comparison, experiments)}
    sections = [
        dial_section(numbers),
        _front(numbers),
        _counts(numbers),
        _cells(numbers, list(drawn)) if drawn else "",
        trial_sections(comparison, experiments),
        _table(numbers),
        _run(numbers),
    ]
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy(get_plotlyjs(), _SCRIPTS)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{CSS}</style>
<script>{get_plotlyjs()}</script>
</head><body><main>
<h1>{title}</h1>
{_facts(numbers)}{as_good_html(numbers)}
{"".join(sections)}
</main>
<script type="application/json" id="figures">{_island({"charts": charts, "cells": cells}, dial_data(numbers))}</script>
<script>{_SCRIPTS}</script>
</body></html>
"""


def _island(figures: Mapping[str, Mapping[str, Any]], dial: Mapping[str, Any]) -> str:
    """Write figures and dial as JSON that no name in it can end early, nor begin a comment or a line."""
    drawn = {group: {name: json.loads(f.to_json()) for name, f in of.items()} for group, of in figures.items()}
    plain = {**drawn, "dial": dial}
    # Only ASCII is written, so U+2028 and its like are escaped already.
    text = json.dumps(plain, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _facts(numbers: ReportNumbers) -> str:
    fastest = min(numbers.members, key=lambda member: member.latency_ms)
    best = max(numbers.members, key=lambda member: (numbers.measure.merit(member.score), -member.latency_ms))
    measure = numbers.measure
    most = "most accurate" if measure == ACCURACY else f"best {measure.name}"
    facts = {most: _pair(best, measure), "fastest": _pair(fastest, measure), "on the front": _share(numbers)}
    if numbers.latency_range:
        facts["latency range"] = "{:.3g} to {:.3g} ms".format(*numbers.latency_range)
    items = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in facts.items())
    device = f"<p>Latencies are for {escape(numbers.device)}.</p>" if numbers.device else ""
    return f'{device}<dl class="facts">{items}</dl>'


def _pair(member: MemberNumbers, measure: Measure) -> str:
    return f"{score_of(member, measure)} at {figure_text(member, 'latency_ms', measure)} ms"


def _share(numbers: ReportNumbers) -> str:
    return f"{len(numbers.front)} of {len(numbers.members)} members"


def _front(numbers: ReportNumbers) -> str:
    better = "up" if numbers.measure.higher_is_better else "down"
    note = f"Each dot is a member, coloured by dial position; {better} and further left is better."
    return section(f"{_begun(numbers.measure.name)} against latency", note, chart("front"))


def _begun(name: str) -> str:
    """Return `name` with a capital first; the others are as they were, as in RMSE."""
    return name[:1].upper() + name[1:]


def _counts(numbers: ReportNumbers) -> str:
    return section("Operations along the dial", "How often each kind of operation is used.", chart("counts"))


def _pickable(numbers: ReportNumbers) -> list[int]:
    """Return the members of the front whose cells are drawn: all, or evenly spaced ones that a page has room for."""
    front = numbers.front
    choices = max((len(numbers.members[index].architecture) for index in front), default=0)
    most = max(_EDGES // max(choices, 1), 1)
    # From the last on, which is the most accurate.
    return list(front[:: -max(-(-len(front) // most), 1)][::-1])


def _cells(numbers: ReportNumbers, drawn: Sequence[int]) -> str:
    best = max(drawn, key=lambda index: numbers.measure.merit(numbers.members[index].score))
    choices = "".join(_choice(numbers, index, index == best) for index in drawn)
    picker = f'<label>Member <select id="member">{choices}</select></label>'
    note = "Data flow from left to right. Nodes sum their inputs; grey arcs lead to the concatenated output."
    return section("Cells of a member on the front", note, picker + chart("cells"))


def _choice(numbers: ReportNumbers, index: int, chosen: bool) -> str:
    member = numbers.members[index]
    text = f"{dial_name(numbers.dial_kind)} {dial_text(member.dial)}: {_pair(member, numbers.measure)}"
    return f'<option value="{index}"{" selected" if chosen else ""}>{escape(text)}</option>'


def _table(numbers: ReportNumbers) -> str:
    note = "Click a heading to sort. Members on the Pareto front are tinted; ~ marks a predicted figure."
    if any(member.after_training for member in numbers.members):
        note += " Trained is the validation score after individual training, by which the refined family ranks."
    return section("Members", note, table_html(numbers))


def _run(numbers: ReportNumbers) -> str:
    rows = {"device": numbers.device, "data": numbers.data, "dial": numbers.dial_kind, "seed": numbers.seed}
    rows["versions"] = ", ".join(f"{name} {version}" for name, version in numbers.versions.items())
    listed = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text or '–')}</dd>" for name, text in rows.items())
    config = escape(json.dumps(numbers.config, indent=2, ensure_ascii=False, default=str))
    return section("How this was produced", "", f'<dl class="run">{listed}</dl><pre>{config}</pre>')
