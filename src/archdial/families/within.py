"""The best member within budgets, with its promise."""

from __future__ import annotations

from dataclasses import replace

from archdial.common.progress import Bar, NoBar
from archdial.cost.table.margin import margin
from archdial.families.answers import Answers
from archdial.families.budgets import LATENCY, Asked, check_reachable, none_at_once
from archdial.families.cheaper import cheaper_than
from archdial.families.member import Member
from archdial.families.promise import Promise
from archdial.families.timing_candidates import truly_within
from archdial.space import Architecture


def best_within(family: Answers, asked: Asked, bar: Bar | NoBar | None = None) -> Member:
    """Return the most accurate member found that meets all budgets, and a cheaper one if that is as good.

    Raises:
        UsageError: no architecture is found that does.
        RunError: a candidate that is to be timed does not run.
    """
    kept = margin(family.residuals, asked.confidence) if LATENCY in asked.given else None
    if asked.measured:
        chosen, took = truly_within(family, asked, kept, bar)
        return _told(family, chosen, asked, kept, took)
    return _told(family, _best_by_table(family, asked, kept), asked, kept)


def _best_by_table(family: Answers, asked: Asked, kept: float | None) -> Architecture:
    chooser = family.chooser
    check_reachable(asked, chooser.costs, kept)
    pool = chooser.pool(asked.limits(kept))
    if not pool:
        raise none_at_once(asked, kept)
    merits = chooser.merits(pool)
    return max(pool, key=merits.__getitem__)


def _told(family: Answers, chosen: Architecture, asked: Asked, kept: float | None, took: float | None = None) -> Member:
    """Return `chosen` as a member with its promise, measured if `took`, in milliseconds, is known."""
    member = family.member(chosen, family.position_of(chosen))
    less = cheaper_than(family.chooser, chosen, member.score, asked, family.examples)
    if less is not None:
        cheaper = family.member(less, family.position_of(less))
        member = replace(member, cheaper=_promised(cheaper, asked, kept))
    member = _promised(member, asked, kept, took)
    return member if took is None else replace(member, latency_ms=took, latency_from="measured")


def _promised(member: Member, asked: Asked, kept: float | None, took: float | None = None) -> Member:
    if LATENCY not in asked.given:
        return member
    sure = None if kept is None else asked.confidence
    return replace(member, promise=Promise(asked.given[LATENCY], member.latency_ms, kept, sure, took))
