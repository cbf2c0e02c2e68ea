"""Hooks on modules that may be dropped: a hook goes with its module, which is told where it changes what comes out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import torch
from torch import Tensor, fx

from archdial.common.errors import Notice, cut, readable
from archdial.networks.graph.capture.capture import Captured


def changes_output(captured: Captured, node: fx.Node) -> bool:
    """Tell whether hooks on the module that `node` calls, of the user or of others, change what it gives."""
    module = captured.root.get_submodule(str(node.target))
    if not module._forward_hooks and not module._forward_pre_hooks:
        return False
    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), captured.flow.__getitem__)
    with torch.no_grad():
        own, given = module.forward(*args, **kwargs), captured.flow[node]
    alike = isinstance(own, Tensor) and own.shape == given.shape and own.dtype == given.dtype
    return not alike or not (own.is_meta or torch.allclose(own, given, rtol=1e-4, atol=1e-6))


def tell_of_hooks(names: Iterable[str]) -> None:
    """Warn that hooks which change what modules of these `names` give are dropped with them."""
    if found := list(names):
        sentence = (
            f"hooks on {cut(', '.join(found), 200)} change what comes out, and are dropped with it: pass "
            f"exclude={cut(str(found), 200)} where they must stay, or make them modules of their own"
        )
        warnings.warn(readable(sentence), Notice, stacklevel=4)
