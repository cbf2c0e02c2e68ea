"""The dial of the report page: a slider along the members, a budget, and the commands that build the chosen one."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from archdial.report.numbers import ReportNumbers
from archdial.report.page_section import section
from archdial.report.palette import palette
from archdial.report.points import MemberNumbers
from archdial.report.wording import (
    dial_argument,
    dial_name,
    dial_text,
    figure_text,
    latency_text,
    score_of,
    short_count,
)

_OPTIONS = 1_000_000
"""Maximum number of chosen options in all members together; above it, architectures are not listed."""

_BUDGETS = {
    "latency_ms": "ms",
    "parameters": "parameters",
    "flops": "FLOPs",
    "size_bytes": "bytes of weights",
    "peak_bytes": "bytes of activations",
}


def dial_section(numbers: ReportNumbers) -> str:
    """Return the slider, the budget field and the elements that the script fills for the chosen member."""
    order, members = latency_order(numbers), numbers.members
    fastest, slowest = (latency_text(members[end].latency_ms) for end in (order[0], order[-1]))
    budgets = "".join(f'<option value="{name}">{unit}</option>' for name, unit in _known(members).items())
    better = numbers.measure.name
    content = f"""<div class="dial">
<input type="range" id="dial" min="0" max="{len(order) - 1}" step="1" value="0" aria-label="Members by latency">
<div class="ends"><span>fastest: {fastest} ms</span><span>slowest: {slowest} ms</span></div>
<p class="budget"><label>Best {escape(better)} within <input type="number" id="budget" min="0" step="any"></label>
<select id="budget-kind" aria-label="What is limited">{budgets}</select> <output id="budget-answer"></output></p>
<dl class="facts" id="chosen" aria-live="polite"></dl>
<div id="kinds" class="kinds"></div>
<div id="build"><p>On the command line, and in Python:</p>
<pre id="build-command"></pre><pre id="build-python"></pre></div>
<details id="choices"><summary>Architecture</summary><dl class="run"></dl></details>
</div>"""
    note = "Move the slider along the members, from fast to slow, or give a budget. The address keeps the choice."
    return section("Dial", note, content)


def latency_order(numbers: ReportNumbers) -> list[int]:
    """Return the indices of the members, fastest first; among equally fast ones, the better one last."""
    members, merit = numbers.members, numbers.measure.merit
    return sorted(range(len(members)), key=lambda i: (members[i].latency_ms, merit(members[i].score)))


def dial_data(numbers: ReportNumbers) -> dict[str, Any]:
    """Return the data for the script: members in file order; names that they share are stored once."""
    members, measure = numbers.members, numbers.measure
    choices = sorted({name for member in members for name in member.architecture})
    options = sorted({option for member in members for option in member.architecture.values()})
    places = {option: place for place, option in enumerate(options)}
    listed = len(choices) * len(members) <= _OPTIONS
    best = max(numbers.front or range(len(members)), key=lambda i: (measure.merit(members[i].score), -i))
    front = set(numbers.front)
    rows = [
        {
            **_row(numbers, member),
            "front": index in front,
            "taken": [places.get(member.architecture.get(name, ""), -1) for name in choices] if listed else [],
        }
        for index, member in enumerate(members)
    ]
    return {
        "rows": rows,
        "order": latency_order(numbers),
        "first": best,
        "choices": choices if listed else [],
        "options": options if listed else [],
        "kinds": list(palette(numbers.kinds).items()),
        "dial": dial_name(numbers.dial_kind),
        "on": numbers.on,
        "trace": 1 + bool(numbers.archive),
    }


def _known(members: Sequence[MemberNumbers]) -> dict[str, str]:
    """Return the budgets that all members have figures for, with their units."""
    return {name: unit for name, unit in _BUDGETS.items() if all(getattr(one, name) is not None for one in members)}


def _row(numbers: ReportNumbers, member: MemberNumbers) -> dict[str, Any]:
    measure = numbers.measure
    facts = {
        measure.name: score_of(member, measure),
        "latency": f"{figure_text(member, 'latency_ms', measure)} ms",
        "parameters": figure_text(member, "parameters", measure),
        "FLOPs": figure_text(member, "flops", measure),
    }
    for name, text in (("size_bytes", "weights"), ("peak_bytes", "activations")):
        if (found := getattr(member, name)) is not None:
            facts[text] = f"{short_count(found)}B"
    return {
        "facts": facts,
        "limits": {name: getattr(member, name) for name in _known([member])},
        "merit": measure.merit(member.score),
        "y": measure.factor * member.score,
        "counts": [member.counts.get(kind, 0) for kind in numbers.kinds],
        "text": dial_text(member.dial),
        "at": None if member.dial is None else dial_argument(member.dial),
        "python": None if member.dial is None else repr(member.dial),
    }
