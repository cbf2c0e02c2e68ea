"""Conditions on the options that choices take, in disjunctive normal form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Taken = tuple[int, frozenset[int]]
"""A choice, by number, and the options of it of which any will do."""

Conjunction = frozenset[Taken]
"""All of some choices take one of their options; of each choice it speaks once."""

Condition = frozenset[Conjunction]
"""Any of some conjunctions. Without any it never holds, with an empty one it always does."""

ALWAYS: Condition = frozenset({frozenset()})
NEVER: Condition = frozenset()


def either(conditions: Iterable[Condition]) -> Condition:
    """Return the condition that holds where one of `conditions` does; what implies another of its terms is left out."""
    every = {term for condition in conditions for term in condition}
    return frozenset(term for term in every if not any(other < term for other in every))


def also(condition: Condition, taken: Taken) -> Condition:
    """Return the condition that holds where `condition` does and a choice takes one of some options."""
    terms = [joined for term in condition if (joined := _joined(term, taken)) is not None]
    return either([frozenset(terms)])


def _joined(term: Conjunction, taken: Taken) -> Conjunction | None:
    """Return both together; None where they exclude each other."""
    row, options = taken
    before = next((allowed for other, allowed in term if other == row), None)
    if before is None:
        return term | {taken}
    both = before & options
    return (term - {(row, before)}) | {(row, both)} if both else None


def holds(condition: Condition, options: Sequence[int]) -> bool:
    """Tell whether `condition` holds where each choice takes the one of `options` at its place."""
    return any(all(options[row] in allowed for row, allowed in term) for term in condition)


def rows_of(condition: Condition) -> frozenset[int]:
    """Return the choices that `condition` speaks of."""
    return frozenset(row for term in condition for row, _ in term)
