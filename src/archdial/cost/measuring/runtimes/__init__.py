"""Runtimes for measuring: one class per runtime and file, found by name, and those that users register."""

from __future__ import annotations

import importlib

from archdial.common.errors import UsageError, short, unknown
from archdial.common.own_code import check_free
from archdial.cost.measuring.runtimes.interface import Runtime

__all__ = ["RUNTIMES", "Runtime", "check_runtime", "register_runtime", "registered", "runtime"]

# By name and not by import: the process that measures has no use for the libraries of the others.
_HOMES = {
    "eager": ("eager", "Eager"),
    "compiled": ("compiled", "Compiled"),
    "onnxruntime": ("onnx_runtime", "OnnxRuntime"),
    "openvino": ("openvino_runtime", "OpenVino"),
    "executorch": ("executorch_runtime", "ExecuTorch"),
}
RUNTIMES = tuple(_HOMES)
_REGISTERED: dict[str, type[Runtime]] = {}


def register_runtime(cls: type[Runtime]) -> type[Runtime]:
    """Register a custom runtime under its `name`, for this process: `profile(network, runtime=name)` measures on it.

    Its class is sent to the measuring process, so it must be importable there, or be defined in the script that runs.
    No file causes it to be imported: whoever reads a table measured on it registers it again before measuring more.

    Raises:
        UsageError: it is no subclass of `Runtime`, lacks a method, or its name is empty or belongs to another class.
    """
    if not (isinstance(cls, type) and issubclass(cls, Runtime)):
        raise UsageError(f"cannot register {short(cls)}: expected a subclass of archdial's Runtime")
    if missing := sorted(getattr(cls, "__abstractmethods__", ())):
        raise UsageError(f"cannot register the runtime {cls.__name__}: it lacks {', '.join(missing)}")
    name = getattr(cls, "name", "")
    if not isinstance(name, str) or not name or name in _HOMES:
        raise UsageError(f"runtime name {name!r} is empty or one of archdial's own: choose another")
    check_free("the runtime name", name, cls, _REGISTERED)
    _REGISTERED[name] = cls
    return cls


def registered(name: str) -> type[Runtime] | None:
    """Return the class of a custom runtime, or None for archdial's own, which every process finds by name."""
    return _REGISTERED.get(name)


def runtime(name: str, threads: int = 1, device: str = "cpu") -> Runtime:
    """Return the runtime called `name`, to run on `threads` threads of `device`.

    Raises:
        UsageError: there is none.
    """
    check_runtime(name)
    if name in _REGISTERED:
        return _REGISTERED[name](threads, device)
    file, kind = _HOMES[name]
    found: type[Runtime] = getattr(importlib.import_module(f"{__name__}.{file}"), kind)
    return found(threads, device)


def check_runtime(name: str) -> None:
    """Raise UsageError unless `name` is one of RUNTIMES, or registered."""
    if name not in _HOMES and name not in _REGISTERED:
        raise unknown("runtime", name, [*_HOMES, *_REGISTERED])
