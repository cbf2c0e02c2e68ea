"""Which machine a table was measured on."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from archdial.common.errors import UsageError, cut


def device(name: str) -> torch.device:
    """Return the device called `name`.

    Raises:
        UsageError: it is no CPU or CUDA device, or this machine lacks it.
    """
    try:
        found = torch.device(name)
    except RuntimeError:
        raise UsageError(f"unknown device {cut(name)!r}: expected cpu, cuda or cuda:N") from None
    if found.type not in ("cpu", "cuda") or (found.type == "cpu" and found.index):
        raise UsageError(f"device {name!r} cannot be measured: expected cpu, cuda or cuda:N")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device {name!r} is not on this machine: it has {torch.cuda.device_count()} CUDA devices")
    return found


def cores() -> int:
    """Return how many cores this process may use: those it is bound to, and no more than its container is given."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = Path("/sys/fs/cgroup/cpu.max")
    try:
        given, period = quota.read_text(encoding="utf-8").split()
        return max(1, min(bound, math.ceil(int(given) / int(period))))
    except (OSError, ValueError, ZeroDivisionError):
        # Not every system has it, and "max" is no number.
        return bound


def describe(where: torch.device) -> dict[str, str]:
    """Return the names of device and processor, and the versions of what runs on them."""
    cpu = processor()
    return {
        "device": str(where),
        "device_name": torch.cuda.get_device_name(where) if where.type == "cuda" else cpu,
        "cpu": cpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def elsewhere(header: Mapping[str, Any]) -> str:
    """Return what a table with this `header` was measured on, where this machine is another; else an empty text.

    What the header does not tell is taken for this machine.
    """
    if str(header["device"]) == "cpu":
        told, here = header.get("cpu"), processor()
    else:
        told, here = header.get("device_name"), _device_name(str(header["device"]))
    return "" if told in (None, "", here) else str(told)


def _device_name(name: str) -> str:
    return torch.cuda.get_device_name(torch.device(name)) if torch.cuda.is_available() else "a machine without CUDA"


def processor() -> str:
    """Return the model name of the processor, as far as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
