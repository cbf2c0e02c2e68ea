"""Recording what a network's leaf modules are called with during export."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn


@contextmanager
def calls_of_one_tensor(model: nn.Module, leaf: Callable[[nn.Module], bool]) -> Iterator[set[nn.Module]]:
    """Yield the leaves of `model` of which each call, within, hands over one tensor, by the first of their arguments.

    Others may read another argument than the first, as position embeddings that are given a mask beside their
    positions: a call with what their code reads would be another one.
    """
    found = {module for module in model.modules() if leaf(module)}

    def watch(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = [value for value in (*args, *kwargs.values()) if value is not None]
        named = not args and next(iter(inspect.signature(module.forward).parameters), "") not in kwargs
        if len(given) != 1 or not isinstance(given[0], Tensor) or named:
            found.discard(module)

    handles = [module.register_forward_pre_hook(watch, with_kwargs=True) for module in tuple(found)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
