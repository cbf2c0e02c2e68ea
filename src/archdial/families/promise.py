"""The latency promise of a member: from the cost table with a margin for its error, or measured here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Promise:
    """The latency of one batch that `Family.within` promises for a member, and its confidence.

    Attributes:
        budget_ms: the requested budget, in ms.
        predicted_ms: latency by the cost table, in ms.
        margin: fraction of `predicted_ms` by which the member may take longer, at this confidence. None if the table
            has no errors of whole networks, or errors that are too large: nothing is promised then.
        confidence: probability that a batch takes at most `latency_ms`; None likewise.
        measured_ms: latency of the built module on this machine, in ms, the slower of two processes; None if it was
            not measured.
    """

    budget_ms: float
    predicted_ms: float
    margin: float | None = None
    confidence: float | None = None
    measured_ms: float | None = None

    @property
    def latency_ms(self) -> float:
        """The promised milliseconds: the prediction plus its margin."""
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
