"""Modules as bytes for the measuring process; such bytes go through a pipe and never into a file."""

from __future__ import annotations

import importlib
import io
import sys
from types import ModuleType
from typing import Any

import cloudpickle

Reduced = tuple[Any, ...]


def packed(value: object) -> bytes:
    """Return `value` as bytes for `pickle.load`; classes of scripts and functions travel with it.

    Raises:
        Exception: whatever a part of `value` raises that cannot be sent.
    """
    stream = io.BytesIO()
    _Pickler(stream).dump(value)
    return stream.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    """Sends modules as they are, where they would not let themselves be sent, or would change on the way."""

    def reducer_override(self, obj: Any) -> Any:
        """Return how `obj` is made again."""
        if isinstance(obj, ModuleType) and sys.modules.get(obj.__name__) is obj:
            # torch.ops is a module of a kind of its own, which no pickle knows how to send.
            return importlib.import_module, (obj.__name__,)
        # What is no torch module need not wait for torch to be imported.
        if "torch.fx" in sys.modules and isinstance(obj, sys.modules["torch.fx"].GraphModule):
            return _graph_module(obj)
        if type(obj).__module__ == "torch.nn.utils.parametrize" and "parametrizations" in getattr(obj, "_modules", ()):
            return _with_state, (type(obj), vars(obj))
        return super().reducer_override(obj)


def _graph_module(module: Any) -> Reduced:
    """Send the code that runs: from its source a GraphModule is traced again, and `a += b` becomes `a = a + b`."""
    from torch import fx, nn

    own = vars(fx.GraphModule(nn.Module(), fx.Graph())).keys() - vars(nn.Module()).keys()
    return _with_forward, (
        type(module).forward,
        {name: value for name, value in vars(module).items() if name not in own},
    )


def _with_forward(forward: Any, state: dict[str, Any]) -> Any:
    from torch import nn

    return _with_state(type("Sent", (nn.Module,), {"forward": forward}), state)


def _with_state(kind: type[Any], state: dict[str, Any]) -> Any:
    made = object.__new__(kind)
    vars(made).update(state)
    return made
