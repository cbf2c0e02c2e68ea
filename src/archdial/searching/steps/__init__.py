"""The kinds of steps, and the plans made of them."""

from archdial.searching.steps.plans import Phase, make_plan
from archdial.searching.steps.step import Figures, Step

__all__ = ["Figures", "Phase", "Step", "make_plan"]
