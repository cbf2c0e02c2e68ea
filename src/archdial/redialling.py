"""Another dial, or another device, for a family that was searched already: seconds, and no image."""

from __future__ import annotations

from dataclasses import replace

import torch

from archdial.cost.expected import ExpectedCost
from archdial.cost.table import CostTable
from archdial.dial import Dial, Tradeoff
from archdial.family import Family
from archdial.relaxation import StraightThrough, Temperature
from archdial.searching.dialling import DialTrainer, Known
from archdial.searching.state import hypernet_for


def redial(family: Family, dial: Dial | None = None, table: CostTable | None = None, *, seed: int = 0) -> Family:
    """Return `family` with its hypernetwork trained anew on predictor and cost table; the weights stay untouched.

    Args:
        dial: another dial; by default the same one, its range or strength found anew.
        table: what the options cost on another device.

    Raises:
        UsageError: the table is one of another space.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    table = table or family.table
    cost = ExpectedCost(family.space, table, family.column)
    known = Known.of(family.network, family.archive)
    fitted = (dial or family.dial.opened()).fitted(
        family.space.kinds, Tradeoff(known.errors, cost.fraction(known.weights))
    )
    told = family.hypernet.to_json()
    # A kernel's pivots and width belong to the old dial.
    stale = {"pivots", "width"} if told["kind"] == "kernel" else set()
    settings = {name: value for name, value in told.items() if name not in stale}
    hypernet = hypernet_for(fitted, family.network, settings)
    relaxation = StraightThrough(family.space)
    trainer = DialTrainer(fitted, hypernet, family.predictor, cost, relaxation, Temperature(), entropy=1.0)
    trainer.settle(known, generator, unseen_too=True)
    return replace(family, dial=fitted, hypernet=hypernet, table=table)
