"""Hooks on modules that may be dropped: a warning names those that change the output."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, fx

from archdial.common.errors import Notice, cut, readable
from archdial.networks.graph.capture.capture import Captured


def changes_output(captured: Captured, node: fx.Node) -> bool:
    """Tell whether the user's hooks on the module that `node` calls change what it gives.

    Those of torch compute weights: nobody misses them where the module is dropped.
    """
    module = captured.root.get_submodule(str(node.target))
    after, before = _of_torch(module._forward_hooks), _of_torch(module._forward_pre_hooks)
    if len(after) == len(module._forward_hooks) and len(before) == len(module._forward_pre_hooks):
        return False
    bare = copy.copy(module)
    bare._forward_hooks, bare._forward_pre_hooks = after, before
    args, kwargs = fx.node.map_arg((node.args, dict(node.kwargs)), captured.flow.__getitem__)
    with torch.no_grad():
        own, given = bare(*args, **kwargs), captured.flow[node]
    alike = isinstance(own, Tensor) and own.shape == given.shape and own.dtype == given.dtype
    return not alike or not (own.is_meta or torch.allclose(own, given, rtol=1e-4, atol=1e-6))


def _of_torch(hooks: Mapping[int, Any]) -> OrderedDict[int, Any]:
    return OrderedDict((number, hook) for number, hook in hooks.items() if _home(hook).startswith("torch."))


def _home(hook: object) -> str:
    return str((hook if inspect.isroutine(hook) else type(hook)).__module__)


def tell_of_hooks(names: Iterable[str]) -> None:
    """Warn that hooks which change what modules of these `names` give are dropped with them."""
    if found := list(names):
        sentence = (
            f"hooks on {cut(', '.join(found), 200)} change its output and are dropped together with it: pass "
            f"exclude={cut(str(found), 200)} to keep them, or turn them into modules"
        )
        warnings.warn(readable(sentence), Notice, stacklevel=4)
