"""Expected costs live in `archdial.cost.pricing.expected`; scripts may name them here, as they always could."""

from archdial.cost.pricing.expected import ExpectedCost

__all__ = ["ExpectedCost"]
