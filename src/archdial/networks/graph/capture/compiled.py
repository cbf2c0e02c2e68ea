"""Capturing torch.compile'd code as the original code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import nn

from archdial.networks.graph.capture.caches import copy_of


def with_own_forwards(model: nn.Module) -> nn.Module:
    """Return `model`, or a copy where a module was told `m.forward = torch.compile(m.forward)`: there it has its own.

    A copy of what was compiled would run the modules of the network that it was copied from.
    """
    compiled = {name: own for name, module in model.named_modules() if (own := _made_from(module)) is not None}
    if not compiled:
        return model
    made = copy_of(model)
    for name, own in compiled.items():
        module = made.get_submodule(name)
        is_bound = getattr(own, "__self__", None) is model.get_submodule(name)
        module.forward = MethodType(own.__func__, module) if is_bound else own  # type: ignore[attr-defined]
    return made


def _made_from(module: nn.Module) -> Callable[..., Any] | None:
    """Return what torch.compile, or torch.compiler.disable, made the forward of `module` from, if that was replaced."""
    own: Any = vars(module).get("forward")
    found = own
    while hasattr(found, "__wrapped__") and _is_of_compiler(found):
        found = found.__wrapped__
    return None if found is own else found


def _is_of_compiler(function: Any) -> bool:
    # A wrapper has `__name__` and `__module__` of what it wraps.
    return str(getattr(function, "__globals__", {}).get("__name__")).startswith("torch._dynamo.")


@contextmanager
def as_python() -> Iterator[None]:
    """Within, all that torch.compile made runs as the Python that it was made from, in other threads too."""
    # Tracing refuses to enter it otherwise.
    with torch.compiler.set_stance("force_eager"), torch._dynamo.config.patch(error_on_nested_fx_trace=False):
        yield
