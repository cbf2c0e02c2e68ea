"""PyTorch through torch.compile: TorchInductor kernels called from Python, including guards."""

from __future__ import annotations

from functools import partial
from types import FunctionType
from typing import Any

import torch
from torch import nn

from archdial.cost.measuring.runtimes.eager import Eager, Sent
from archdial.cost.measuring.timing import Call


class Compiled(Eager):
    """The module as one graph for these very shapes, compiled in the process that measures.

    Not AOTInductor, which takes ten seconds a part: what it saves in a call are the guards, and a whole network pays
    for these only once.
    """

    name = "compiled"
    effort = 3000

    def load(self, converted: Sent) -> Call:
        """Return a compiled call of the module."""
        module, examples = converted
        compiled = torch.compile(_own(module.to(self.device)), fullgraph=True, dynamic=False)
        call = partial(compiled, *(example.to(self.device) for example in examples))
        call()
        return call


def _own(module: nn.Module) -> Any:
    """Return a function that calls `module`, of a code of its own.

    What is compiled is kept by code, and found there by trying one guard after the other: were all parts calls of the
    same code, each would pay for the guards of those before it.
    """

    def call(*inputs: Any) -> Any:
        return module(*inputs)

    return FunctionType(call.__code__.replace(), call.__globals__, call.__name__, closure=call.__closure__)
