"""The contents of members.json, key by key, as the validator reads it; other keys are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import Field

from archdial.common.errors import UsageError
from archdial.common.limits import Count, Milliseconds, Name, Tally, Text, Whole
from archdial.report.points import MOST_KINDS, MemberNumbers, Point, Rows
from archdial.tasks.measure import ACCURACY, Measure

MOST_COUNTS = 1_000_000
"""Counts of all members: each is a cell of the table and a piece of a bar."""

Kinds = Annotated[tuple[Name, ...], Field(max_length=MOST_KINDS)]


@dataclass(frozen=True)
class DialFile:
    """The dial: its kind, and what the corners of a simplex are called."""

    kind: Name
    kinds: Kinds | None = None


@dataclass(frozen=True)
class RangeFile:
    """Least and largest costs of the space."""

    latency_ms: Annotated[tuple[Milliseconds, ...], Field(max_length=MOST_KINDS)] | None = None

    def __post_init__(self) -> None:
        found = self.latency_ms
        if found is not None and (len(found) != 2 or found[0] > found[1]):
            raise UsageError(f"range.latency_ms is {list(found[:9])}: expected [lowest, highest] in ms")


@dataclass(frozen=True)
class MembersFile:
    """A members file, its values within bounds; `examples` is how many the scores were measured on, if known."""

    dial: DialFile
    kinds: Kinds
    members: Annotated[tuple[MemberNumbers, ...], Rows]
    front: Annotated[tuple[Tally, ...], Rows] | None = None
    archive: Annotated[tuple[Point, ...], Rows] = ()
    range: RangeFile | None = None
    data: Text | None = None
    device: Text | None = None
    on: Text | None = None
    seed: Whole | Text | None = None
    versions: Annotated[Mapping[Name, Text], Field(max_length=MOST_KINDS)] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    score: Measure = ACCURACY
    examples: Count | None = None

    def __post_init__(self) -> None:
        for i, row in enumerate(self.members):
            self.score.check_all(row.scores(f"members[{i}]", self.score.name))
        self.score.check_all({f"archive[{i}].{self.score.name}": row.score for i, row in enumerate(self.archive)})
        if len(self.members) * len(self.kinds) > MOST_COUNTS:
            raise UsageError(
                f"members are {len(self.members):,}, of {len(self.kinds):,} kinds: expected at most {MOST_COUNTS:,} "
                "counts in total; evaluate fewer members"
            )
