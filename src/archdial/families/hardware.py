"""Several devices: one dial and one cost for all their tables, and what a family knows about each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from archdial.common.errors import UsageError, unknown
from archdial.cost.pricing.expected import Cost
from archdial.cost.pricing.fingerprint import Fingerprint
from archdial.cost.table.several import Tables
from archdial.cost.table.table import CostTable
from archdial.dial import Dial, make_dial
from archdial.dial.per_hardware import PerDevice
from archdial.families.family_file import DeviceFile, DevicesFile
from archdial.hypernet import Hypernetwork
from archdial.hypernet.bound import Bound


@dataclass(frozen=True)
class Device:
    """One device: its table, its dial with the range found by its costs, and the code the hypernetwork reads."""

    table: CostTable
    dial: Dial
    code: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the device as a JSON value."""
        return {"table": self.table.to_json(), "dial": self.dial.to_json(), "code": list(self.code)}

    @classmethod
    def of(cls, file: DeviceFile, name: str) -> Self:
        """Return the device that `to_json` wrote."""
        return cls(CostTable.from_json(file.table, f"the cost table of {name!r}"), make_dial(file.dial), file.code)


@dataclass(frozen=True)
class Devices:
    """The devices of one family.

    Attributes:
        hypernet: shared by all of them; its last features are a device's code.
        fingerprint: from a device's costs to its code.
        each: by name.
    """

    hypernet: Hypernetwork
    fingerprint: Fingerprint
    each: Mapping[str, Device]

    @property
    def tables(self) -> dict[str, CostTable]:
        """The tables by name."""
        return {name: device.table for name, device in self.each.items()}

    def to_json(self) -> dict[str, Any]:
        """Return fingerprint and devices as a JSON value; the hypernetwork is kept with the weights."""
        each = {name: device.to_json() for name, device in self.each.items()}
        return {"fingerprint": self.fingerprint.to_json(), "each": each}

    @classmethod
    def of(cls, file: DevicesFile, hypernet: Hypernetwork) -> Self:
        """Return the devices that `to_json` wrote.

        Raises:
            UsageError: codes or references do not fit the hypernetwork.
        """
        fingerprint = Fingerprint.of_file(file.fingerprint, hypernet.space)
        for name, one in file.each.items():
            if len(one.code) != len(fingerprint.references) or len(one.code) >= hypernet.features:
                raise UsageError(f"the code of {name!r} has the wrong length, {len(one.code)}: restore a copy")
        return cls(hypernet, fingerprint, {name: Device.of(one, name) for name, one in file.each.items()})

    def view(self, name: str) -> Answering:
        """Return what a family is where it answers for the device of that name.

        Raises:
            UsageError: there is no such device.
        """
        if name not in self.each:
            raise unknown("device", name, self.each)
        device = self.each[name]
        return Answering(device.table, device.dial, Bound(self.hypernet, device.code), name, self)


@dataclass(frozen=True)
class Answering:
    """What a family answers for; its fields are those of `Family`."""

    table: CostTable
    dial: Dial
    hypernet: Hypernetwork
    device: str | None = None
    devices: Devices | None = None


def found(tables: Tables, cost: Cost, dial: Dial, hypernet: Hypernetwork) -> Answering:
    """Return what a family answers for after a search for `tables`; of several the first device."""
    if isinstance(tables, CostTable):
        return Answering(tables, dial, hypernet)
    assert isinstance(dial, PerDevice)
    parts = zip(tables.items(), dial.dials, dial.codes, strict=True)
    each = {name: Device(table, own, code) for (name, table), own, code in parts}
    return Devices(hypernet, Fingerprint.across(hypernet.space, cost.each), each).view(next(iter(each)))
