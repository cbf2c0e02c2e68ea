"""What the user turns: scalar λ, operation-wise simplex, budget."""

from archdial.dial.base import DIALS, Dial, Tradeoff, make_dial, register_dial
from archdial.dial.budget import Budget
from archdial.dial.scalar import Scalar
from archdial.dial.simplex import OperationSimplex

__all__ = ["DIALS", "Budget", "Dial", "OperationSimplex", "Scalar", "Tradeoff", "make_dial", "register_dial"]
