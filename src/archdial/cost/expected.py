"""Kept for scripts that import expected costs from here; they are in `archdial.cost.pricing.expected`."""

from archdial.cost.pricing.expected import ExpectedCost

__all__ = ["ExpectedCost"]
