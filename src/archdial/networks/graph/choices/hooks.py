"""Hooks on modules that may be dropped: a hook goes with its module, which is told where it changes what comes out."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, fx

from archdial.common.errors import Notice, cut, readable
from archdial.networks.graph.capture.capture import Captured


def changes_output(captured: Captured, node: fx.Node) -> bool:
    """Tell whether hooks on the module that `node` calls change what it gives.

    Not those of torch, which compute its weights: they are nobody's loss where it is dropped.
    """
    module = captured.root.get_submodule(str(node.target))
    hooks = (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
    if not any(_is_own(hook) for hook in hooks):
        return False
    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), captured.flow.__getitem__)
    with torch.no_grad():
        own, given = module.forward(*args, **kwargs), captured.flow[node]
    alike = isinstance(own, Tensor) and own.shape == given.shape and own.dtype == given.dtype
    return not alike or not (own.is_meta or torch.allclose(own, given, rtol=1e-4, atol=1e-6))


def _is_own(hook: object) -> bool:
    named = hook if inspect.isroutine(hook) else type(hook)
    return not str(named.__module__).startswith("torch.")


def tell_of_hooks(names: Iterable[str]) -> None:
    """Warn that hooks which change what modules of these `names` give are dropped with them."""
    if found := list(names):
        sentence = (
            f"hooks on {cut(', '.join(found), 200)} change what comes out, and are dropped with it: pass "
            f"exclude={cut(str(found), 200)} where they must stay, or make them modules of their own"
        )
        warnings.warn(readable(sentence), Notice, stacklevel=4)
