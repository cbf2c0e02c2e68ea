"""A member's latency promise, and a cheaper alternative, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from archdial.cli.following import command

if TYPE_CHECKING:
    from archdial.cli.picking import Pick
    from archdial.families.member import Member
    from archdial.families.promise import Promise


def told_of(member: Member, pick: Pick, run: Path) -> list[str]:
    """Return the lines about the promise of `member`, which `pick` asked the run for, and about a cheaper one."""
    promise = [] if member.promise is None else list(promise_lines(member.promise))
    return promise if member.cheaper is None else [*promise, _offer(member, member.cheaper, pick, run)]


def promise_lines(promise: Promise) -> Iterator[str]:
    """Yield what was promised, and what was measured."""
    from archdial.families.budgets import rounded_up

    predicted = f"predicted {promise.predicted_ms:.4g} ms"
    if promise.confidence is None or promise.margin is None:
        why = "the cost table has no errors measured on whole networks, or they are too large"
        yield f"{predicted}, with no guarantee: {why}; try --measure"
    elif promise.margin > 0:
        most, sure = rounded_up(promise.latency_ms), f"with {100 * promise.confidence:g} % confidence"
        margin = f"a margin of {promise.margin:.1%} for the cost table's own error"
        yield f"at most {most:.4g} ms {sure}: {predicted} plus {margin}"
    else:
        yield f"{predicted}, without a margin"
    if promise.measured_ms is not None:
        took = f"measured on this machine: {promise.measured_ms:.4g} ms, the slower of two processes"
        yield f"{took}; budget {promise.budget_ms:g} ms"


def _offer(member: Member, cheaper: Member, pick: Pick, run: Path) -> str:
    from archdial.report.wording import score_text

    measure, examples = member.measure, member.family.examples
    noise = measure.standard_error(member.score, examples)
    column = _column(pick)
    dear, cheap = (_cost(one, column) for one in (member, cheaper))
    both = f"{score_text(cheaper.score, measure)} at {cheap}, not {score_text(member.score, measure)} at {dear}"
    error = f"one standard error on {examples:,} examples is {measure.apart(noise or 0.0)}"
    return (
        f"a cheaper member is as good within noise: {both}; {error}; to pick it: {_command(cheaper, column, pick, run)}"
    )


def _column(pick: Pick) -> str:
    """Return the budget that the cheaper one is cheaper in: of milliseconds, or else the first that is given."""
    given = [name for name, budget in pick.budgets().items() if budget is not None]
    return "latency_ms" if "latency_ms" in given else given[0]


_FIGURES = {"params": "parameters"}
_UNITS = {
    "params": "parameters",
    "flops": "FLOPs",
    "size_bytes": "bytes of weights",
    "peak_bytes": "bytes of activations",
}


def _cost(member: Member, column: str) -> str:
    if column == "latency_ms":
        return f"{'~' if member.latency_from == 'predicted' else ''}{member.latency_ms:.3g} ms"
    return f"{getattr(member, _FIGURES.get(column, column)):,} {_UNITS[column]}"


def _command(cheaper: Member, column: str, pick: Pick, run: Path) -> str:
    """Return the command that takes the cheaper one: the same budgets, but for that of `column`."""
    from archdial.families.budgets import rounded_up

    least = getattr(cheaper, _FIGURES.get(column, column))
    if cheaper.promised_ms is not None and column == "latency_ms":
        least = rounded_up(cheaper.promised_ms)
    asked = replace(pick, **{column: least}, measure=False)
    return command("pick", run, **asked.options())
