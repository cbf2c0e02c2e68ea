"""From operations to the choices of a space: what the user includes, excludes and groups."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from archdial.common.errors import UsageError
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.hooks import tell_of_hooks
from archdial.space import Choice, Space

KEEP, DROP = "keep", "drop"
OPTIONS = (KEEP, DROP)
DROPPED = "dropped"
"""The kind of the option that runs nothing."""


@dataclass(frozen=True)
class Gate:
    """Operations that are kept or dropped together."""

    name: str
    operations: tuple[Operation, ...]

    @property
    def kind(self) -> str:
        """The kind of the operations; of several kinds that of the first."""
        return self.operations[0].kind

    @property
    def choice(self) -> Choice:
        """Keep or drop, as a choice of a space."""
        return Choice(self.name, OPTIONS, (self.kind, DROPPED))


def chosen(
    operations: Sequence[Operation],
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    groups: Mapping[str, Sequence[str]] | None = None,
) -> tuple[Gate, ...]:
    """Return the gates, in the order in which their first operation runs; warn of hooks that are dropped with them.

    Args:
        operations: all that may be dropped.
        include: names, globs of names or kinds; all if there are none.
        exclude: names, globs or kinds that are never dropped.
        groups: name of a gate → what is kept or dropped together; one `*` in a pattern and in the name makes a gate
            for each text that it stands for, as {"layer*": ["layer*.conv1", "layer*.bn1"]}.

    Raises:
        UsageError: a name or pattern fits no operation, or nothing is left to be dropped.
    """
    if not operations:
        raise UsageError("nothing in this network can be dropped: no operation keeps its shape, and no branch is added")
    wanted = set(_matching(include, operations)) if include else set(operations)
    wanted -= set(_matching(exclude, operations))
    if not wanted:
        raise UsageError(f"include {list(include)} and exclude {list(exclude)} leave nothing that can be dropped")
    named: dict[str, list[Operation]] = {}
    owner = _owners(operations, groups or {})
    for operation in wanted - owner.keys():
        if operation.name in owner.values():
            raise UsageError(f"a group is called {operation.name!r}, like an operation outside it: rename it")
    for operation in operations:
        if operation in wanted:
            named.setdefault(owner.get(operation, operation.name), []).append(operation)
    tell_of_hooks(operation.name for operation in operations if operation in wanted and operation.hooked)
    return tuple(Gate(name, tuple(members)) for name, members in named.items())


def space_of(gates: Sequence[Gate]) -> Space:
    """Return the space of keep-or-drop choices."""
    return Space(tuple(gate.choice for gate in gates))


def _matching(patterns: Sequence[str], operations: Sequence[Operation]) -> list[Operation]:
    found: list[Operation] = []
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        fitting = [o for o in operations if o.kind == pattern or o.name == pattern or fnmatchcase(o.name, pattern)]
        if not fitting:
            raise _no_operation(pattern, operations)
        found += fitting
    return found


def _no_operation(pattern: str, operations: Sequence[Operation]) -> UsageError:
    names = [*dict.fromkeys(o.kind for o in operations), *(o.name for o in operations)]
    near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.3) or names[:3]
    return UsageError(f"{pattern!r} matches no operation that can be dropped: the nearest are {', '.join(near)}")


def _owners(operations: Sequence[Operation], groups: Mapping[str, Sequence[str]]) -> dict[Operation, str]:
    owner: dict[Operation, str] = {}
    for group, patterns in groups.items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            for operation in _matching([pattern], operations):
                name = group.replace("*", _stands_for(pattern, operation.name), 1)
                if owner.setdefault(operation, name) != name:
                    raise UsageError(f"{operation.name!r} is in the groups {owner[operation]!r} and {name!r}: one only")
    return owner


def _stands_for(pattern: str, name: str) -> str:
    """Return what the first `*` of `pattern` stands for in `name`."""
    if "*" not in pattern:
        return ""
    before, _, after = pattern.partition("*")
    end = len(name) - len(after) if "*" not in after else len(name)
    return name[len(before) : end]
