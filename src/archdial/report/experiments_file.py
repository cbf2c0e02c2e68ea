"""The contents of experiments.json, key by key, as the validator reads it; other keys are ignored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from archdial.common.limits import Number, Positive
from archdial.report.points import DialPosition, Point, Rows
from archdial.tasks.measure import ACCURACY, Measure


@dataclass(frozen=True)
class AtLambda(Point):
    """The score on validation images and latency at one λ, which is above 0 as the axis is logarithmic."""

    at: Annotated[Positive, Field(validation_alias="lambda")]


@dataclass(frozen=True)
class Relaxed:
    """Scores on validation images of the weighted mixture at a dial position, and of the member there."""

    relaxed: Number
    discrete: Number
    dial: DialPosition = None


AlongLambda = Annotated[tuple[AtLambda, ...], Field(min_length=1), Rows]


@dataclass(frozen=True)
class AloneFile:
    """Gates optimised for each λ by itself."""

    points: AlongLambda
    chance: Number | None
    fall: Positive | None = None


@dataclass(frozen=True)
class HypernetworkFile:
    """One hypernetwork over the range of λ."""

    points: AlongLambda


@dataclass(frozen=True)
class RelaxedFile:
    """Relaxed against discrete scores along the dial."""

    points: Annotated[tuple[Relaxed, ...], Field(min_length=1), Rows]
    mean_difference: Number


@dataclass(frozen=True)
class ExperimentsFile:
    """An experiments file, its values within bounds."""

    alone: AloneFile
    hypernetwork: HypernetworkFile
    relaxed: RelaxedFile
    score: Measure = ACCURACY

    def __post_init__(self) -> None:
        name, along = self.score.name, {"alone": self.alone.points, "hypernetwork": self.hypernetwork.points}
        found = {f"{what}.points[{i}].{name}": one.score for what, all in along.items() for i, one in enumerate(all)}
        for i, pair in enumerate(self.relaxed.points):
            found |= {f"relaxed.points[{i}].relaxed": pair.relaxed, f"relaxed.points[{i}].discrete": pair.discrete}
        if self.alone.chance is not None:
            found["alone.chance"] = self.alone.chance
        self.score.check_all(found | {"relaxed.mean_difference": abs(self.relaxed.mean_difference)})
