"""A cheaper member that is as good, given the number of examples evaluated."""

from __future__ import annotations

from archdial.families.budgets import Asked
from archdial.families.chooser import Chooser
from archdial.space import Architecture
from archdial.tasks.measure import LESS


def cheaper_than(
    chooser: Chooser, chosen: Architecture, score: float, asked: Asked, examples: int | None
) -> Architecture | None:
    """Return the cheapest architecture evaluated whose score is within one standard error of that of `chosen`.

    This is the one-standard-error rule (Breiman, Friedman, Olshen and Stone, Classification and Regression Trees, 1984,
    section 3.4.3): of what the evaluation cannot tell apart the simplest. The error is that of one score on `examples`
    examples. The difference of two scores on the same examples has a smaller one than that times √2, and how much
    smaller scores alone do not tell; without the √2 the rule claims less.

    Args:
        chooser: of the family.
        chosen: the member that is taken.
        score: its own.
        asked: the budgets, which it meets too; it has at most nine tenths of the first, milliseconds before others.
        examples: that scores were measured on; None where nobody knows.

    Returns:
        None where there is none, or where the standard error of such scores is not known.
    """
    noise = chooser.measure.standard_error(score, examples)
    if noise is None:
        return None
    column = asked.column
    cost = chooser.costs[column]
    limits = {**asked.without(column), column: LESS * cost.of(chosen)}
    known = chooser.known.get(chosen)
    # Where there are several views of each, all of them are compared by what these say together.
    least = (chooser.measure.merit(score) if known is None else known.merit) - noise
    good = [item.architecture for item in chooser.known.values() if item.merit >= least]
    meeting = chooser.meeting(good, limits)
    # Of those that cost the same the better.
    return min(meeting, key=lambda one: (cost.of(one), -chooser.known[one].merit), default=None)
