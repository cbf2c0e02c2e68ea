"""The latency promise of a member: from the cost table with a margin for its error, or measured here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Promise:
    """How many milliseconds a batch takes in a member, and how sure that is.

    Attributes:
        budget_ms: what was asked for.
        predicted_ms: by the cost table.
        margin: by what share of that it may take longer, with this confidence; None where the table holds no
            errors of whole networks, or too large ones, and nothing can be promised.
        confidence: that it takes no longer than `latency_ms`; None likewise.
        measured_ms: of the built module on this machine, where it was measured: the slower of two processes.
    """

    budget_ms: float
    predicted_ms: float
    margin: float | None = None
    confidence: float | None = None
    measured_ms: float | None = None

    @property
    def latency_ms(self) -> float:
        """The milliseconds promised: the prediction and its margin."""
        return self.predicted_ms * (1 + (self.margin or 0.0))

    def to_json(self) -> dict[str, Any]:
        """Return the promise as a JSON value."""
        return {
            "budget_ms": self.budget_ms,
            "latency_ms": self.latency_ms,
            "confidence": self.confidence,
            "margin": self.margin,
            "predicted_ms": self.predicted_ms,
            "measured_ms": self.measured_ms,
        }
