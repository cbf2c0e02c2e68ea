"""Calibration data for BatchNorm statistics, as tensors in a family's file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from archdial.common.errors import UsageError
from archdial.families.family import Family
from archdial.networks.supernet import Supernet

NAME = "calibration"


def calibration_tensors(family: Family) -> dict[str, Tensor]:
    """Return images under one name, or of other tasks each input of each batch under a name of its own."""
    if isinstance(family.calibration, Tensor):
        return {NAME: family.calibration}
    calling = family.network.calling
    return {
        f"{NAME}.{number}.{place}": tensor
        for number, batch in enumerate(family.calibration)
        for place, tensor in enumerate(calling.flat(batch))
    }


def calibration_in(tensors: Mapping[str, Tensor], network: Supernet) -> tuple[Any, ...]:
    """Return the batches of inputs that `calibration_tensors` named.

    Raises:
        UsageError: they are not those of the network.
    """
    found: dict[int, dict[int, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        start, *numbers = name.split(".")
        if start == NAME:
            if len(numbers) != 2 or not all(number.isdecimal() and len(number) < 7 for number in numbers):
                raise UsageError("its calibration data are invalid: restore a copy")
            found[int(numbers[0])][int(numbers[1])] = tensor
    calling = network.calling
    if any(sorted(batch) != list(range(len(calling.names))) for batch in found.values()):
        raise UsageError("its calibration data do not match the network's inputs: restore a copy")
    return tuple(calling.tree([found[n][place] for place in sorted(found[n])]) for n in sorted(found))
