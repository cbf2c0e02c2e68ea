"""Another dial, or another device, for an existing family: in seconds, without images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from archdial.common.bounds import MOST_COUNT
from archdial.common.errors import UsageError
from archdial.cost.pricing.expected import Cost, ExpectedCost
from archdial.cost.table.several import Tables, check_name
from archdial.cost.table.table import CostTable
from archdial.dial import Dial, Tradeoff
from archdial.dial.arranged import arranged
from archdial.families.family import Family
from archdial.families.hardware import Device, found
from archdial.families.search_settings import recorded_count
from archdial.hypernet import HYPERNETS
from archdial.relaxation import StraightThrough, Temperature
from archdial.searching.dialling import DialTrainer, Known
from archdial.searching.evaluation import errors
from archdial.searching.method_settings import STEPS
from archdial.searching.state import hypernet_for
from archdial.space import Space

FIRST = "first"
"""Name of the device of a search for one, once others join it."""


def redial(family: Family, dial: Dial | None = None, table: Tables | None = None, *, seed: int = 0) -> Family:
    """Return `family` with its hypernetwork retrained on predictor and cost table; the weights stay as they are.

    Args:
        family: not modified.
        dial: another dial; by default the same one, with its range or strength found again.
        table: the cost table of another device, which replaces that of the current device; or the tables of several
            devices by name, which replace all tables.
        seed: seed of the new hypernetwork and of its training.

    Raises:
        UsageError: the table is for another space.
    """
    tables: Tables = table or family.table
    if family.devices is not None and (table is None or isinstance(table, CostTable)):
        tables = family.devices.tables | ({} if table is None else {str(family.device): table})
    return _retrained(family, tables, dial or family.dial.opened(), seed)


def add_device(
    family: Family, name: str, table: CostTable, *, retrain: bool = True, renew: bool = False, seed: int = 0
) -> Family:
    """Return `family` with one more device, for which it then answers; the weights stay as they are.

    Args:
        family: not modified.
        name: name of the device. If the family was searched for one device, that one is then called "first".
        table: what the options cost on it.
        retrain: retrain the hypernetwork for all devices, and find their ranges again. Otherwise, a family for several
            devices treats the new one like the most similar device: immediately, and nothing changes for the
            others.
        renew: replace the table of an existing device.
        seed: seed of the new hypernetwork and of its training.

    Raises:
        UsageError: the name is taken or invalid, the table is for another space, or there are no other devices to
            distinguish the new one from.
    """
    check_name(name)
    others = {FIRST: family.table} if family.devices is None else family.devices.tables
    if name in others and not renew:
        raise UsageError(
            f"device {name!r} already exists: choose another name, or pass renew=True (--renew) to replace its table"
        )
    if retrain:
        return _retrained(family, {**others, name: table}, family.dial.opened(), seed).on(name)
    return _recognised(family, name, table).on(name)


def _retrained(family: Family, tables: Tables, dial: Dial, seed: int) -> Family:
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    asked, cost = arranged(family.space, tables, dial, family.column)
    known = known_of(family)
    fitted = _fitted(asked, cost, known, family.space)
    hypernet = hypernet_for(fitted, family.network, _settings(family, fitted))
    relaxation = StraightThrough(family.space)
    steps = _steps(family.info)
    trainer = DialTrainer(fitted, hypernet, family.ranker, cost, relaxation, Temperature(), entropy=1.0, steps=steps)
    trainer.settle(known, generator, unseen_too=True)
    result = family.answering(found(tables, cost, fitted, hypernet))
    return result.on(family.device) if family.device in (result.devices.each if result.devices else ()) else result


def _recognised(family: Family, name: str, table: CostTable) -> Family:
    if family.devices is None:
        raise UsageError(
            "a family searched for one device cannot tell devices apart: omit retrain=False (--no-retrain)"
        )
    cost = ExpectedCost(family.space, table, family.column)
    dial = _fitted(family.dial.opened(), cost, known_of(family), family.space)
    device = Device(table, dial, family.devices.fingerprint.of(cost))
    devices = replace(family.devices, each={**family.devices.each, name: device})
    return replace(family, devices=devices)


def known_of(family: Family) -> Known:
    """Return what a dial of `family` is trained on.

    Of a refined family what is better than the whole of a network that was trained before is so, and no noise.
    """
    if family.refinement is None:
        return Known.of(family.network, family.archive)
    return Known(family.space.one_hots(item.architecture for item in family.judged), errors(family.judged))


def _fitted(dial: Dial, cost: Cost, known: Known, space: Space) -> Dial:
    """Return `dial` with what it leaves open found from what is known."""
    return dial.fitted(space.kinds, Tradeoff.among(known.errors, known.weights, cost))


def _steps(info: Mapping[str, Any]) -> int:
    """Return for how many steps the search trained its dial; as by default if it is not told."""
    told = recorded_count(info, "dial_steps")
    return STEPS if told is None or told > MOST_COUNT else told


def _settings(family: Family, dial: Dial) -> dict[str, Any]:
    told = family.hypernet.to_json()
    if dial.features > 1 and HYPERNETS[str(told["kind"])].one_feature:
        return {}
    # A kernel's pivots and width belong to the old dial.
    stale = {"pivots", "width"} if told["kind"] == "kernel" else set()
    return {name: value for name, value in told.items() if name not in stale}
