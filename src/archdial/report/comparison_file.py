"""What comparison.json holds, key by key, as the validator reads it; other keys are left alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Share, Tally, Text
from archdial.report.points import MOST_KINDS, MOST_ROWS, Point, Rows
from archdial.tasks.measure import ACCURACY, Measure


@dataclass(frozen=True)
class Compared(Point):
    """One member of a method, measured.

    Attributes:
        validation: the score that it is chosen by.
        parameters: how many.
    """

    validation: Annotated[Share, Field(validation_alias="validation_accuracy")]
    parameters: Tally


@dataclass(frozen=True)
class FullFile(Point):
    """The full network."""

    name: Name


@dataclass(frozen=True)
class MethodFile:
    """What one method found; an older file has no hypervolume."""

    name: Name
    evaluations: Tally
    area: Share
    members: Annotated[tuple[Compared, ...], Rows]
    hypervolume: Share | None = None
    chosen_by: Literal["validation_accuracy", "latency_ms"] = "validation_accuracy"


@dataclass(frozen=True)
class ComparisonFile:
    """A comparison file, its values within bounds."""

    split: Annotated[Text, Field(validation_alias="accuracy_split")]
    full: FullFile
    methods: Annotated[tuple[MethodFile, ...], Field(min_length=1, max_length=MOST_KINDS)]
    device: Text | None = None
    score: Measure = ACCURACY

    def __post_init__(self) -> None:
        if (members := sum(len(method.members) for method in self.methods)) > MOST_ROWS:
            raise UsageError(f"methods have {members:,} members together: expected at most {MOST_ROWS:,}")
