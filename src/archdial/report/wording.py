"""How dials and figures are written, consistently in tables, figures and the page."""

from __future__ import annotations

from collections.abc import Sequence

from archdial.report.numbers import ReportNumbers, common_provenance
from archdial.report.points import DialPosition, MemberNumbers, Point
from archdial.tasks.measure import Measure

_DIAL_NAMES = {"scalar": "λ", "chebyshev": "λ", "operation_simplex": "S", "budget": "budget"}
_ENTRIES = 12
"""Most entries of a vector that are written out."""

_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def dial_name(dial_kind: str) -> str:
    """Return the short name of a dial: λ, S, budget, or "dial" for any other kind."""
    return _DIAL_NAMES.get(dial_kind, "dial")


def dial_text(position: DialPosition) -> str:
    """Return a dial position as text: "0.25", "(0.2, 0.3, 0.5)", or "–" for none."""
    if position is None:
        return "–"
    if isinstance(position, tuple):
        more = [f"… {len(position)} in total"] if len(position) > _ENTRIES else []
        return f"({', '.join([*(f'{entry:.3g}' for entry in position[:_ENTRIES]), *more])})"
    return f"{position:.4g}"


def dial_argument(position: DialPosition) -> str:
    """Return a dial position as an argument of `--at`: "0.25" or "0.2,0.3,0.5", to the last digit."""
    return ",".join(map(repr, position)) if isinstance(position, tuple) else repr(position)


def short_count(value: float) -> str:
    """Return a count as text with a k, M or G: "999", "1.23 k", "45.6 M"."""
    for step, letter in _STEPS:
        # Three digits, so what rounds to 1000 of one letter is 1 of the next.
        if value >= 0.9995 * step:
            return f"{_three_digits(value / step)} {letter}"
    return f"{value:.0f}"


def score_text(score: float, measure: Measure) -> str:
    """Return a score as text with its unit: "87.00 %"."""
    return f"{measure.text(score)} {measure.unit}".rstrip()


def latency_text(latency_ms: float) -> str:
    """Return a latency in ms as text, without the unit."""
    return _three_digits(latency_ms)


def pair_text(point: Point, measure: Measure) -> str:
    """Return score and latency of one as text: "87.00 % at 3.10 ms"."""
    return f"{score_text(point.score, measure)} at {latency_text(point.latency_ms)} ms"


def figure_headings(measure: Measure) -> dict[str, str]:
    """Return what tables call the figures of a member, by the names that `figure_text` takes."""
    return {measure.name: measure.heading, "latency_ms": "latency ms", "parameters": "parameters", "flops": "FLOPs"}


def figure_text(member: MemberNumbers, figure: str, measure: Measure) -> str:
    """Return the score, "latency_ms" (ms), "parameters" or "flops" of one without its unit, "~" if predicted."""
    text = {
        measure.name: measure.text(member.score),
        "latency_ms": latency_text(member.latency_ms),
        "parameters": short_count(member.parameters),
        "flops": short_count(member.flops),
    }[figure]
    return f"~{text}" if member.predicted(figure) else text


def after_training_text(member: MemberNumbers, measure: Measure) -> str:
    """Return the score after training alone without its unit, "~" if predicted; "–" where nobody says."""
    after = member.after_training
    if after is None:
        return "–"
    return f"{'~' if after.provenance == 'predicted' else ''}{measure.text(after.score)}"


def after_training_heading(measure: Measure) -> str:
    """Return what tables call the score after training alone."""
    return f"trained {measure.unit}".rstrip()


def score_of(member: MemberNumbers, measure: Measure) -> str:
    """Return the score of one with its unit, "~" if predicted: "~87.00 %"."""
    return f"{figure_text(member, measure.name, measure)} {measure.unit}".rstrip()


def axis_titles(numbers: ReportNumbers) -> tuple[str, str]:
    """Return the titles of the latency and the score axis, with units and how the figures came about."""
    return (
        _with_note("latency", "ms", common_provenance(numbers.members, "latency_ms")),
        score_title(numbers.measure, common_provenance(numbers.members, numbers.measure.name)),
    )


def score_title(measure: Measure, note: str, which: str = "") -> str:
    """Return the title of an axis of scores, as "relaxed accuracy (%, on validation)"."""
    return _with_note(f"{which} {measure.name}".lstrip(), measure.unit, note)


def counts_text(member: MemberNumbers, kinds: Sequence[str]) -> str:
    """Return the operation counts of a member as one line, kinds that it lacks left out."""
    return ", ".join(f"{member.counts[kind]}× {kind}" for kind in kinds if member.counts.get(kind))


def _with_note(what: str, unit: str, note: str) -> str:
    inside = ", ".join(part for part in (unit, note) if part)
    return f"{what} ({inside})" if inside else what


def _three_digits(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}" if value >= 0.1 else f"{value:.3g}"
