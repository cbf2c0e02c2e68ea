"""Kept for scripts that import measuring from here; it is in `archdial.comparing.measured`."""

from archdial.comparing.measured import evaluator_of

__all__ = ["evaluator_of"]
