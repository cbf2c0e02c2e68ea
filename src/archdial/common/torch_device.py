"""The device that a user names, as expected by lightning-fabric."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from archdial.common.errors import UsageError, first_line
from archdial.common.limits import Precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def fabric_on(device: str, precision: Precision) -> Fabric:
    """Return a Fabric of one device: `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: there is no such device, or it cannot compute with this precision.
    """
    from lightning_fabric import Fabric  # seconds, which whoever only opens a family need not wait

    try:
        named = torch.device(device)
    except RuntimeError:
        raise UsageError(f"device {device!r}: expected cpu, cuda or cuda:N") from None
    if named.type == "cuda" and not (named.index or 0) < torch.cuda.device_count():
        raise UsageError(f"device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices; try cpu")
    devices = 1 if named.index is None or named.type == "cpu" else [named.index]
    try:
        return Fabric(accelerator=named.type, devices=devices, precision=precision)
    except (ImportError, ValueError) as error:
        raise UsageError(f"precision {precision!r} on {device}: {first_line(error)}; try 32-true") from None
