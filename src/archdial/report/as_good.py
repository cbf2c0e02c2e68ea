"""A cheaper member that is as good as the best, given the number of examples evaluated."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from archdial.report.numbers import ReportNumbers
from archdial.report.points import DialPosition, MemberNumbers
from archdial.report.wording import dial_argument, dial_name, dial_text, pair_text
from archdial.tasks.measure import LESS


@dataclass(frozen=True)
class AsGood:
    """Two members that scores do not tell apart.

    Attributes:
        best: the one of the best score.
        cheaper: the fastest within `noise` of it.
        noise: one standard error of the best score.
    """

    best: MemberNumbers
    cheaper: MemberNumbers
    noise: float


def as_good(numbers: ReportNumbers) -> AsGood | None:
    """Return the fastest member whose score is within one standard error of the best, if there is one.

    That is the one-standard-error rule (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984,
    section 3.4.3). Where a file does not tell on how many examples scores were measured, nothing is said.
    """
    measure = numbers.measure
    known = [member for member in numbers.members if not member.predicted(measure.name)]
    if not known:
        return None
    best = max(known, key=lambda member: (measure.merit(member.score), -member.latency_ms))
    noise = measure.standard_error(best.score, numbers.examples)
    if noise is None:
        return None
    near = [one for one in known if measure.merit(one.score) >= measure.merit(best.score) - noise]
    cheaper = min(near, key=lambda one: (one.latency_ms, -measure.merit(one.score)))
    return AsGood(best, cheaper, noise) if cheaper.latency_ms <= LESS * best.latency_ms else None


def as_good_html(numbers: ReportNumbers) -> str:
    """Return what the page says of it; empty where there is nothing to say."""
    found = as_good(numbers)
    if found is None:
        return ""
    measure, cheaper = numbers.measure, found.cheaper
    at = f"{dial_name(numbers.dial_kind)} {dial_text(cheaper.dial)}"
    error = f"one standard error on {numbers.examples:,} examples, {measure.apart(found.noise)}"
    pairs = f"{pair_text(cheaper, measure)}, not {pair_text(found.best, measure)}"
    command = f" To pick it: <code>{escape(_command(cheaper.dial))}</code>." if cheaper.dial is not None else ""
    said = f"Within evaluation noise ({error}), {at} is as good as the best: {pairs}."
    return f'<p class="as-good">{escape(said)}{command}</p>'


def _command(dial: DialPosition) -> str:
    return f"archdial pick RUN --at {dial_argument(dial)}"
