"""A quantized file beside the same member in float32: size, time, score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archdial.cost.measuring.timing import Timing


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        bytes: size of all files that are needed to run it.
        timing: of one input, on one thread, both sides interleaved.
        score: by the task's measure; None if nobody scored it.
    """

    bytes: int
    timing: Timing
    score: float | None = None

    def to_json(self, score_name: str) -> dict[str, Any]:
        """Return the side as a JSON value."""
        told = {} if self.score is None else {score_name: self.score}
        return {"bytes": self.bytes, "latency_ms": self.timing.median_ms, "spread": self.timing.spread, **told}


@dataclass(frozen=True)
class Quantized:
    """A member in both precisions.

    Attributes:
        float32: the member as `export` writes it.
        int8: the member in eight bits.
        mean_difference: between the outputs of both, as a fraction of the mean output in float32.
        largest_difference: between the outputs of both.
        runtime: what ran both.
        examples: how many of them ranges were found from.
    """

    float32: Side
    int8: Side
    mean_difference: float
    largest_difference: float
    runtime: str
    examples: int

    @property
    def speedup(self) -> float:
        """How many times as fast as in float32."""
        return self.float32.timing.median_ms / self.int8.timing.median_ms

    def to_json(self, score_name: str = "score") -> dict[str, Any]:
        """Return both sides as a JSON value."""
        return {
            "runtime": self.runtime,
            "float32": self.float32.to_json(score_name),
            "int8": self.int8.to_json(score_name),
            "speedup": self.speedup,
            "mean_difference": self.mean_difference,
            "largest_difference": self.largest_difference,
            "calibration_examples": self.examples,
        }
