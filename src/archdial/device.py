"""The device that a user names, as lightning-fabric takes it."""

from __future__ import annotations

import torch
from lightning_fabric import Fabric

from archdial.errors import UsageError


def fabric_on(device: str, precision: str) -> Fabric:
    """Return a Fabric of one device: `cpu`, `cuda` or `cuda:N`.

    Raises:
        UsageError: there is no such device.
    """
    try:
        named = torch.device(device)
    except RuntimeError:
        raise UsageError(f"device {device!r}: expected cpu, cuda or cuda:N") from None
    if named.type == "cuda" and not (named.index or 0) < torch.cuda.device_count():
        raise UsageError(f"device {device!r}: this machine has {torch.cuda.device_count()} CUDA devices, try cpu")
    devices = 1 if named.index is None or named.type == "cpu" else [named.index]
    return Fabric(accelerator=named.type, devices=devices, precision=precision)  # type: ignore[arg-type]
