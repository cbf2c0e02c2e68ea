"""What the user turns: scalar λ, operation-wise simplex, budget, and the objectives of other papers."""

from archdial.dial.budget import Budget
from archdial.dial.chebyshev import Chebyshev
from archdial.dial.constraint import Constraint
from archdial.dial.dial import DIALS, Dial, Tradeoff, make_dial, register_dial
from archdial.dial.log_power import LogPower
from archdial.dial.power import Power
from archdial.dial.scalar import Scalar
from archdial.dial.simplex import OperationSimplex

__all__ = [
    "DIALS",
    "Budget",
    "Chebyshev",
    "Constraint",
    "Dial",
    "LogPower",
    "OperationSimplex",
    "Power",
    "Scalar",
    "Tradeoff",
    "make_dial",
    "register_dial",
]
