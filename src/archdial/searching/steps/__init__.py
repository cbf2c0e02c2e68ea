"""The kinds of steps, and the plans made of them."""

from archdial.searching.steps.base import Figures, Step
from archdial.searching.steps.plans import Phase, make_plan

__all__ = ["Figures", "Phase", "Step", "make_plan"]
