"""What choices cover: what the user includes, excludes and groups."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol, TypeVar

from archdial.common.errors import UsageError


class Candidate(Protocol):
    """What a choice may be about: an operation that may be dropped, or units that may be cut off."""

    @property
    def name(self) -> str:
        """By which the user calls it."""

    @property
    def kind(self) -> str:
        """As convolution, or branch."""


C = TypeVar("C", bound=Candidate)


def selected(
    candidates: Sequence[C], include: Sequence[str], exclude: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> dict[str, list[C]]:
    """Return what the choices are about, by their names, in the order of `candidates`.

    Args:
        candidates: all that may be dropped or narrower.
        include: names, globs of names or kinds; all if there are none.
        exclude: names, globs or kinds that are never dropped.
        groups: name of a choice → what is kept or dropped together; one `*` in a pattern and in the name makes a choice
            for each text that it stands for, as {"layer*": ["layer*.conv1", "layer*.bn1"]}.

    Raises:
        UsageError: a name or pattern fits no candidate, or nothing is left.
    """
    wanted = set(_matching(include, candidates)) if include else set(candidates)
    wanted -= set(_matching(exclude, candidates))
    if not wanted:
        raise UsageError(f"include {list(include)} and exclude {list(exclude)} leave nothing to drop")
    named: dict[str, list[C]] = {}
    owner = _owners(candidates, groups)
    for one in wanted - owner.keys():
        if one.name in owner.values():
            raise UsageError(
                f"the group name {one.name!r} is also the name of an operation outside it: rename the group"
            )
    for one in candidates:
        if one in wanted:
            named.setdefault(owner.get(one, one.name), []).append(one)
    return named


def _matching(patterns: Sequence[str], operations: Sequence[C]) -> list[C]:
    found: list[C] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        fitting = [o for o in operations if o.kind == pattern or o.name == pattern or fnmatchcase(o.name, pattern)]
        if not fitting:
            raise _no_operation(pattern, operations)
        found += fitting
    return found


def _no_operation(pattern: str, operations: Sequence[Candidate]) -> UsageError:
    names = [*dict.fromkeys(o.kind for o in operations), *(o.name for o in operations)]
    near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:3]
    return UsageError(f"{pattern!r} matches no operation that can be dropped: the nearest are {', '.join(near)}")


def _owners(operations: Sequence[C], groups: Mapping[str, Sequence[str]]) -> dict[C, str]:
    owner: dict[C, str] = {}
    for group, patterns in groups.items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            for operation in _matching([pattern], operations):
                name = group.replace("*", _stands_for(pattern, operation.name), 1)
                if owner.setdefault(operation, name) != name:
                    raise UsageError(
                        f"{operation.name!r} is in the groups {owner[operation]!r} and {name!r}: keep it in one of them"
                    )
    return owner


def _stands_for(pattern: str, name: str) -> str:
    """Return what the first `*` of `pattern` stands for in `name`."""
    if "*" not in pattern:
        return ""
    before, _, after = pattern.partition("*")
    end = len(name) - len(after) if "*" not in after else len(name)
    return name[len(before) : end]
