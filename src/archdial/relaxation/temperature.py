"""The temperature of a relaxation as a function of progress."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from archdial.common.errors import UsageError, unknown
from archdial.common.limits import Rate
from archdial.common.validation import check_fields

# How far the temperature, or for "exponential" its logarithm, has gone from start to end.
SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda progress: progress,
    "exponential": lambda progress: progress,
    "cosine": lambda progress: (1.0 - math.cos(math.pi * progress)) / 2.0,
}


@dataclass(frozen=True)
class Temperature:
    """A schedule from `start` to `end`, as KOT-DARTS lowers it from 1 to 0.2; equal ends keep it constant.

    Attributes:
        start: temperature at progress 0, positive.
        end: temperature at progress 1, positive.
        shape: linear, exponential (equal ratios in equal times) or cosine (slow at both ends).
    """

    start: Rate = 1.0
    end: Rate = 0.2
    shape: str = "linear"

    def __post_init__(self) -> None:
        check_fields(self, "temperature")
        if self.shape not in SHAPES:
            raise unknown("temperature shape", self.shape, SHAPES)

    def __call__(self, progress: float) -> float:
        """Return the temperature at `progress`, exactly `start` at 0 and `end` at 1.

        Raises:
            UsageError: `progress` is outside [0, 1].
        """
        if not 0.0 <= progress <= 1.0:
            raise UsageError(f"progress {progress}: expected a fraction of the run, from 0 to 1")
        gone = SHAPES[self.shape](progress)
        # Both ends weighted, not start + gone · (end − start), so that the ends are exact.
        if self.shape == "exponential":
            return float(self.start ** (1.0 - gone) * self.end**gone)
        return self.start * (1.0 - gone) + self.end * gone
