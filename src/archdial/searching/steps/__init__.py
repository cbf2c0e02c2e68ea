"""The kinds of steps, and the plans made of them."""

from archdial.searching.steps.plans import make_plan

__all__ = ["make_plan"]
