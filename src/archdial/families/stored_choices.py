"""A family's choices as stored in its file, usable without the code of its network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archdial.common.errors import UsageError
from archdial.families.family_file import ChoiceFile
from archdial.networks.graph import GatedNetwork
from archdial.networks.graph.choices.choice import DROPPED
from archdial.networks.graph.closed import ClosedNetwork
from archdial.networks.graph.conditions import Condition
from archdial.networks.supernet import Supernet
from archdial.space import Choice, Space

_MOST_OPTIONS, _MOST_BY_KIND = 2**15, 2**22
"""Choices times options of one, and that times kinds: hypernetworks, predictors and dials are as large."""


def space_of(choices: Sequence[ChoiceFile]) -> Space:
    """Return the space that a file spells out.

    Raises:
        UsageError: it has more options than any network, or a choice that cannot be.
    """
    options = len(choices) * max((len(one.options) for one in choices), default=0)
    kinds = len({kind for one in choices for kind in one.kinds})
    if options > _MOST_OPTIONS or options * kinds > _MOST_BY_KIND:
        raise UsageError(
            f"its choices have {options:,} options of {kinds:,} kinds, expected at most {_MOST_OPTIONS:,} options: "
            "restore a copy of the whole folder"
        )
    return Space(tuple(Choice(one.name, one.options, one.kinds) for one in choices))


def runs_of(choices: Sequence[ChoiceFile]) -> tuple[Condition, ...] | None:
    """Return when any operation of each choice runs, as a file tells it; None where it does not.

    Raises:
        UsageError: it tells it of some choices only, or names a choice that there is not.
    """
    told = [one.runs for one in choices if one.runs is not None]
    if not told:
        return None
    if len(told) < len(choices) or any(row >= len(choices) for terms in told for term in terms for row in term):
        raise UsageError("its choices depend on others that do not exist: restore a copy of the whole folder")
    kept = [frozenset(n for n, kind in enumerate(one.kinds) if kind != DROPPED) for one in choices]
    found = tuple(frozenset(frozenset((row, kept[row]) for row in term) for term in terms) for terms in told)
    if [_runs_json(terms) for terms in found] != [[list(term) for term in terms] for terms in told]:
        raise UsageError("its choices list their conditions twice or out of order: restore a copy of the whole folder")
    return found


def choices_json(network: Supernet) -> list[dict[str, Any]]:
    """Return the choices of `network` as a JSON value; of gates with when each runs, for who has not its code."""
    found = network.space.to_json()
    conditions = _runs(network)
    if conditions is None:
        return found
    return [{**one, "runs": _runs_json(terms)} for one, terms in zip(found, conditions, strict=True)]


def _runs_json(condition: Condition) -> list[list[int]]:
    return sorted(sorted(row for row, _ in term) for term in condition)


def check_choices(network: Supernet, choices: Sequence[ChoiceFile]) -> None:
    """Raise UsageError unless `choices` are those of `network`."""
    if space_of(choices) != network.space or runs_of(choices) not in (None, _runs(network)):
        raise UsageError("its choices do not match its network: restore a copy of the whole folder")


def _runs(network: Supernet) -> tuple[Condition, ...] | None:
    """Return when any operation of each choice of `network` runs; None where that is no question, or not known."""
    return network.conditions if isinstance(network, GatedNetwork | ClosedNetwork) else None
