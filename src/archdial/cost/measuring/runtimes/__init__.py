"""Runtimes for measuring: one class per runtime and file, found by name."""

from __future__ import annotations

import importlib

from archdial.common.errors import unknown
from archdial.cost.measuring.runtimes.interface import Runtime

__all__ = ["RUNTIMES", "Runtime", "check_runtime", "runtime"]

# By name and not by import: the process that measures has no use for the libraries of the others.
_HOMES = {
    "eager": ("eager", "Eager"),
    "compiled": ("compiled", "Compiled"),
    "onnxruntime": ("onnx_runtime", "OnnxRuntime"),
    "openvino": ("openvino_runtime", "OpenVino"),
    "executorch": ("executorch_runtime", "ExecuTorch"),
}
RUNTIMES = tuple(_HOMES)


def runtime(name: str, threads: int = 1, device: str = "cpu") -> Runtime:
    """Return the runtime called `name`, to run on `threads` threads of `device`.

    Raises:
        UsageError: there is none.
    """
    check_runtime(name)
    file, kind = _HOMES[name]
    found: type[Runtime] = getattr(importlib.import_module(f"{__name__}.{file}"), kind)
    return found(threads, device)


def check_runtime(name: str) -> None:
    """Raise UsageError unless `name` is one of RUNTIMES."""
    if name not in _HOMES:
        raise unknown("runtime", name, _HOMES)
