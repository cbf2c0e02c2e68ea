"""The contents of comparison.json, key by key, as the validator reads it; other keys are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from archdial.common.errors import UsageError
from archdial.common.limits import Amount, Name, Number, Tally, Text
from archdial.report.points import MOST_KINDS, MOST_ROWS, Point, Rows
from archdial.tasks.measure import ACCURACY, Measure


@dataclass(frozen=True)
class Compared(Point):
    """One member of a method, measured.

    Attributes:
        validation: the score that it is chosen by.
        parameters: how many.
    """

    validation: Annotated[Number, Field(validation_alias="validation_accuracy")]
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
    area: Amount
    members: Annotated[tuple[Compared, ...], Rows]
    hypervolume: Amount | None = None
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
            raise UsageError(f"methods have {members:,} members in total: expected at most {MOST_ROWS:,}")
        self.score.check_all(self._scores())
        if self.score.from_nothing:
            areas = {f"methods[{i}].area": method.area for i, method in enumerate(self.methods)}
            volumes = {f"methods[{i}].hypervolume": method.hypervolume or 0.0 for i, method in enumerate(self.methods)}
            self.score.check_all(areas | volumes)

    def _scores(self) -> dict[str, float]:
        """Return all scores by their place in the file."""
        name, found = self.score.name, {f"full.{self.score.name}": self.full.score}
        for i, method in enumerate(self.methods):
            for j, member in enumerate(method.members):
                place = f"methods[{i}].members[{j}]"
                found |= {f"{place}.{name}": member.score, f"{place}.validation_{name}": member.validation}
        return found
