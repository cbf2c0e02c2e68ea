"""One evaluated architecture in result files: a point of score and latency, and a member's figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from archdial.common.limits import Amount, Milliseconds, Name, Number, Tally, Text

MOST_ROWS = 100_000
"""Members, points or evaluated architectures of one file."""

MOST_KINDS = 1_000
"""Kinds of operations, and of anything else that gets a colour."""

# One wrong row is enough to know: a file of them all would else be told in full.
Rows = Field(max_length=MOST_ROWS, fail_fast=True)

Vector = Annotated[tuple[Amount, ...], Field(max_length=MOST_KINDS, fail_fast=True)]

DialPosition = Number | Vector | None
"""A scalar λ or budget, a simplex vector S, or None for a member that no dial position gave."""


@dataclass(frozen=True)
class Point:
    """One evaluated architecture: `score` by the measure of the file, `latency_ms` in milliseconds."""

    score: Annotated[Number, Field(validation_alias="accuracy")]
    latency_ms: Milliseconds


@dataclass(frozen=True)
class AfterTraining:
    """What a member of a refined family scores after training alone; `provenance` is "measured" or "predicted"."""

    score: Annotated[Number, Field(validation_alias="accuracy")]
    provenance: Text = ""


@dataclass(frozen=True)
class MemberNumbers(Point):
    """The figures of one member.

    Attributes:
        parameters: how many.
        flops: floating-point operations of one input.
        size_bytes, peak_bytes: of weights, and of activations at once; None in files of older archdials.
        dial: the position that gave it.
        architecture: choice name to option name.
        counts: kind to the number of choices that take it.
        provenance: figure name to "measured" or "predicted", and "accuracy_split" to the split.
        after_training: of a refined family.
    """

    parameters: Tally
    flops: Tally
    size_bytes: Tally | None = None
    peak_bytes: Tally | None = None
    dial: DialPosition = None
    architecture: Annotated[Mapping[Name, Name], Field(max_length=10_000)] = field(default_factory=dict)
    counts: Annotated[Mapping[Name, Tally], Field(max_length=MOST_KINDS)] = field(default_factory=dict)
    provenance: Annotated[Mapping[Name, Text], Field(max_length=MOST_KINDS)] = field(default_factory=dict)
    after_training: AfterTraining | None = None

    def predicted(self, figure: str) -> bool:
        """Tell whether `figure` ("accuracy", "latency_ms", …) was predicted, not measured."""
        return self.provenance.get(figure) == "predicted"

    def scores(self, where: str, name: str) -> dict[str, float]:
        """Return its scores, called `name`, by their places in the file; `where` is its own."""
        after = {} if self.after_training is None else {f"{where}.after_training.{name}": self.after_training.score}
        return {f"{where}.{name}": self.score, **after}
