"""Another dial, or another device, for a family that was searched already: seconds, and no image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from archdial.cost.expected import ExpectedCost
from archdial.cost.table import CostTable
from archdial.dial import Dial, Tradeoff
from archdial.family import Family
from archdial.hypernet import make_hypernet
from archdial.relaxation import StraightThrough, Temperature
from archdial.searching.dialling import DialTrainer, Known


def redial(family: Family, dial: Dial | None = None, table: CostTable | None = None, *, seed: int = 0) -> Family:
    """Return `family` with its hypernetwork trained anew on predictor and cost table; the weights stay untouched.

    Args:
        dial: another dial; by default one of the same kind, its range found anew.
        table: what the options cost on another device.

    Raises:
        UsageError: the table is one of another space.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    table = table or family.table
    cost = ExpectedCost(family.space, table, family.column)
    known = Known.of(family.space, family.archive)
    fitted = (dial or type(family.dial)()).fitted(
        family.space.kinds, Tradeoff(known.errors, cost.fraction(known.weights))
    )
    settings: dict[str, Any] = {name: value for name, value in family.hypernet.to_json().items() if name != "pivots"}
    hypernet = make_hypernet(space=family.space, features=fitted.features, **settings)
    relaxation = StraightThrough(family.space)
    trainer = DialTrainer(fitted, hypernet, family.predictor, cost, relaxation, Temperature(), entropy=1.0)
    trainer.settle(known, generator)
    return replace(family, dial=fitted, hypernet=hypernet, table=table)
