"""What experiments.json holds, key by key, as the validator reads it; other keys are left alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from archdial.common.limits import Number, Positive, Share
from archdial.report.points import DialPosition, Point, Rows
from archdial.tasks.measure import ACCURACY, Measure


@dataclass(frozen=True)
class AtLambda(Point):
    """The score on validation images and latency at one λ, which is above 0 as the axis is logarithmic."""

    at: Annotated[Positive, Field(validation_alias="lambda")]


@dataclass(frozen=True)
class Relaxed:
    """Scores on validation images of the weighted mixture at a dial position, and of the member there."""

    relaxed: Share
    discrete: Share
    dial: DialPosition = None


AlongLambda = Annotated[tuple[AtLambda, ...], Field(min_length=1), Rows]


@dataclass(frozen=True)
class AloneFile:
    """Gates optimised for each λ by itself."""

    points: AlongLambda
    chance: Share
    fall: Positive | None = None


@dataclass(frozen=True)
class HypernetworkFile:
    """One hypernetwork over the range of λ."""

    points: AlongLambda


@dataclass(frozen=True)
class RelaxedFile:
    """Relaxed against discrete scores along the dial."""

    points: Annotated[tuple[Relaxed, ...], Field(min_length=1), Rows]
    mean_difference: Annotated[Number, Field(ge=-1, le=1)]


@dataclass(frozen=True)
class ExperimentsFile:
    """An experiments file, its values within bounds."""

    alone: AloneFile
    hypernetwork: HypernetworkFile
    relaxed: RelaxedFile
    score: Measure = ACCURACY
