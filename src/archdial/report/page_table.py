"""The table of members on the page, as HTML."""

from __future__ import annotations

from html import escape

from archdial.report.numbers import ReportNumbers
from archdial.report.palette import member_colours, palette
from archdial.report.wording import (
    after_training_heading,
    after_training_text,
    dial_name,
    dial_text,
    figure_headings,
    figure_text,
)


def table_html(numbers: ReportNumbers) -> str:
    """Return the members in file order; each cell carries the number that it is sorted by."""
    ranks = {index: rank for rank, index in enumerate(dial_order(numbers))}
    colours = member_colours(numbers)
    front = set(numbers.front)
    rows = [
        _row(numbers, index, ranks[index], colours[index], on_front=index in front)
        for index in range(len(numbers.members))
    ]
    return (
        f'<div class="scroll"><table class="members"><thead><tr>{_headings(numbers)}</tr></thead>\n'
        f"<tbody>\n{chr(10).join(rows)}\n</tbody></table></div>"
    )


def dial_order(numbers: ReportNumbers) -> list[int]:
    """Return the indices of the members by dial position, vectors entry by entry, those without one last."""

    def key(index: int) -> tuple[bool, tuple[float, ...]]:
        dial = numbers.members[index].dial
        return dial is None, dial if isinstance(dial, tuple) else (dial or 0.0,)

    return sorted(range(len(numbers.members)), key=key)


def _headings(numbers: ReportNumbers) -> str:
    dial = dial_name(numbers.dial_kind)
    after = [after_training_heading(numbers.measure)] if _refined(numbers) else []
    plain = "".join(_heading(escape(text)) for text in (dial, *figure_headings(numbers.measure).values(), *after))
    return plain + "".join(
        _heading(f'<i class="swatch square" style="background:{colour}"></i>{escape(kind)}')
        for kind, colour in palette(numbers.kinds).items()
    )


def _heading(content: str) -> str:
    return f'<th scope="col"><button type="button">{content}</button></th>'


def _row(numbers: ReportNumbers, index: int, rank: int, colour: str, *, on_front: bool) -> str:
    member = numbers.members[index]
    swatch = f'<i class="swatch" style="background:{colour}"></i>'
    cells = [_cell(rank, swatch + escape(dial_text(member.dial)))]
    values = (member.score, member.latency_ms, member.parameters, member.flops)
    for figure, value in zip(figure_headings(numbers.measure), values, strict=True):
        cells.append(_cell(value, escape(figure_text(member, figure, numbers.measure))))
    if _refined(numbers):
        after = member.after_training
        text = escape(after_training_text(member, numbers.measure))
        cells.append(_cell(0.0 if after is None else after.score, text))
    cells += [_cell(member.counts.get(kind, 0), str(member.counts.get(kind, 0))) for kind in numbers.kinds]
    tint = ' class="front"' if on_front else ""
    return f"<tr{tint}>{''.join(cells)}</tr>"


def _refined(numbers: ReportNumbers) -> bool:
    return any(member.after_training for member in numbers.members)


def _cell(value: float, content: str) -> str:
    return f'<td data-value="{value!r}">{content}</td>'
