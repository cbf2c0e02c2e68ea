"""Budgets of a member: what is requested, whether it can be met, and how errors name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import ExpectedCost
from archdial.cost.pricing.peak import PeakCost
from archdial.cost.table.margin import CONFIDENCE, NO_MARGIN, check_confidence
from archdial.cost.table.terms import PEAK

LATENCY = "latency_ms"
UNITS = {
    LATENCY: "ms",
    "parameters": "parameters",
    "flops": "FLOPs",
    "size_bytes": "bytes of weights",
    PEAK: "bytes of activations",
}
REMEDY = (
    "drop the margin with confidence=0.5 (--confidence 0.5), or time the best candidates on this machine with "
    "measured=True (--measure)"
)


@dataclass(frozen=True)
class Asked:
    """What a member is asked for.

    Attributes:
        given: budgets by column of the cost table.
        confidence: that the budget of milliseconds is met, by the errors of the table; what is counted has none.
        measured: whether the best candidates are to be timed here.
    """

    given: Mapping[str, float]
    confidence: float = CONFIDENCE
    measured: bool = False

    def __post_init__(self) -> None:
        check_confidence(self.confidence)
        if not self.given:
            names = "latency_ms, params, flops, size_bytes, peak_bytes"
            raise UsageError(f"within() needs a budget: pass at least one of {names}")
        if self.measured and LATENCY not in self.given:
            raise UsageError(
                "measured=True (--measure) requires latency_ms, as only latency is measured: pass a latency budget, "
                "or omit it"
            )

    @property
    def column(self) -> str:
        """The cost that matters most: milliseconds, or else the first that has a budget."""
        return LATENCY if LATENCY in self.given else next(iter(self.given))

    def limits(self, margin: float | None) -> dict[str, float]:
        """Return the most that an architecture may have by the table, which keeps `margin` for its milliseconds."""
        return {c: limit / (1 + (margin or 0.0)) if c == LATENCY else limit for c, limit in self.given.items()}

    def without(self, column: str) -> dict[str, float]:
        """Return the budgets of all other columns."""
        return {name: limit for name, limit in self.given.items() if name != column}


def _number(value: float) -> str:
    return f"{value:.4g}" if value < 1000 else f"{value:,.0f}"


def budget_text(given: Mapping[str, float]) -> str:
    """Return budgets by column as they are named in errors."""
    return " and ".join(f"{_number(limit)} {UNITS[column]}" for column, limit in given.items())


def check_reachable(asked: Asked, costs: Mapping[str, ExpectedCost | PeakCost], margin: float | None = None) -> None:
    """Raise UsageError unless each budget can be met alone, by `costs` of the same names.

    Args:
        asked: the budgets.
        costs: by column.
        margin: what the promise of milliseconds keeps of them, as a share of the prediction.
    """
    for column, limit in asked.given.items():
        if column not in costs:
            raise UsageError(f"the cost table has no {column}, because it was made by an older archdial: profile again")
        cost = costs[column]
        if not limit >= cost.lowest:
            raise UsageError(
                f"{budget_text({column: limit})} is out of reach: "
                f"this family covers {_number(cost.lowest)} to {_number(cost.highest)} {UNITS[column]}"
            )
        if column == LATENCY and margin and limit < cost.lowest * (1 + margin) * (1 - 1e-9):
            least = cost.lowest * (1 + margin)
            raise UsageError(
                f"{_number(limit)} ms can only be met without the margin of {margin:.1%} that the cost table's "
                f"own error requires at a confidence of {asked.confidence:g}: the fastest member is predicted to take "
                f"{_number(cost.lowest)} ms and promised within {_rounded_up(least)} ms; ask for that, or {REMEDY}"
            )


def none_at_once(asked: Asked, margin: float | None) -> UsageError:
    """Return the error that budgets exclude each other."""
    kept = ""
    if LATENCY in asked.given and margin and asked.confidence > NO_MARGIN:
        kept = f". The latency budget includes a margin of {margin:.1%} for the table's own error: {REMEDY}"
    return UsageError(
        f"no architecture meets {budget_text(asked.given)} at once, though each can be met alone: relax one{kept}"
    )


def _rounded_up(value: float) -> str:
    return f"{rounded_up(value):.4g}"


def rounded_up(value: float) -> float:
    """Return `value` to four digits, none of them so that it gets smaller: what is typed again is met again."""
    near = float(f"{value:.4g}")
    return near if near >= value else float(f"{near + 10.0 ** (int(f'{value:e}'.partition('e')[2]) - 3):.4g}")
