"""How a task's scores are named, written and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from torch import Tensor

from archdial.common.errors import UsageError
from archdial.common.limits import Name, Number
from archdial.common.validation import check_fields, validated

V = TypeVar("V", float, Tensor)

_FIGURES = ("parameters", "cell_parameters", "flops", "latency_ms", "size_bytes", "peak_bytes")
_OTHERS = ("architecture", "cheaper", "counts", "dial", "lambda", "members", "name", "promise", "provenance", "share")
RESERVED = frozenset((*_FIGURES, *_OTHERS))
"""What result files call something else."""

LESS = 0.9
"""What costs more than this share of a member, and is as good, is not worth a word."""


@dataclass(frozen=True)
class Measure:
    """One kind of score.

    Attributes:
        name: its name in results and JSON, such as accuracy.
        higher_is_better: its direction.
        best: the score without mistakes.
        share: it is in [0, 1] and is displayed in %.
    """

    name: Name
    higher_is_better: bool = True
    best: Number = 1.0
    share: bool = True

    def __post_init__(self) -> None:
        check_fields(self, "score")
        if self.name in RESERVED:
            raise UsageError(f"a score named {self.name!r}: members already have a figure of that name; choose another")

    def error(self, score: V) -> V:
        """Return the distance of `score` from the best, which predictors learn; at least 0 for possible scores."""
        return self.best - score if self.higher_is_better else score - self.best

    def score(self, error: V) -> V:
        """Return the score at this distance from the best."""
        return self.best - error if self.higher_is_better else self.best + error

    def nearest(self, score: float) -> float:
        """Return the possible score that is nearest to `score`."""
        return min(max(score, 0.0), 1.0) if self.share else score

    def checked(self, score: float) -> float:
        """Return `score`, read from a file.

        Raises:
            UsageError: it is not a possible score of this measure.
        """
        if self.share and not 0 <= score <= 1:
            raise UsageError(f"{self.name} is {score:g}: expected a number from 0 to 1")
        return score

    def check_all(self, places: Mapping[str, float]) -> None:
        """Check the scores at all `places` of a file.

        Raises:
            UsageError: one is not a possible score of this measure.
        """
        for place, score in places.items():
            if self.share and not 0 <= score <= 1:
                raise UsageError(f"{place} is {score:g}: expected at {'most 1' if score > 1 else 'least 0'}")

    def merit(self, score: V) -> V:
        """Return `score` such that higher is better."""
        return score if self.higher_is_better else -score

    @property
    def from_nothing(self) -> bool:
        """Whether 0 is the worst: such scores are averaged as they are, others from the worst that was seen."""
        return self.share and self.higher_is_better

    @property
    def factor(self) -> float:
        """The factor by which scores are multiplied for display."""
        return 100.0 if self.share else 1.0

    @property
    def unit(self) -> str:
        """The unit of a displayed score: % or nothing."""
        return "%" if self.share else ""

    @property
    def heading(self) -> str:
        """The name with the unit, above a column."""
        return f"{self.name} {self.unit}".rstrip()

    def text(self, score: float) -> str:
        """Return `score` as displayed, without the unit."""
        return f"{100 * score:.2f}" if self.share else f"{score:.4g}"

    def apart(self, difference: float) -> str:
        """Return a difference of two scores as text; that of shares is in percentage points."""
        return f"{100 * difference:.2f} points" if self.share else f"{difference:.2f}"

    def standard_error(self, score: float, examples: int | None) -> float | None:
        """Return the standard error of `score` on `examples` examples: √(p (1 − p) / n) of a share p of right answers.

        Several answers an example, as of words in a text, hang together, so examples count. None where it is not
        known: of other measures, or where nobody knows how many there were.
        """
        if self != ACCURACY or not examples or not 0 <= score <= 1:
            return None
        return math.sqrt(score * (1 - score) / examples)

    def to_json(self) -> dict[str, Any]:
        """Return the measure as a JSON value."""
        return asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> Measure:
        """Return what `to_json` wrote; the accuracy where a file of an older archdial says nothing.

        Raises:
            UsageError: it cannot be one.
        """
        return ACCURACY if value is None else validated(cls, value, "score")


ACCURACY = Measure("accuracy")
"""The share of inputs that are classified rightly."""
