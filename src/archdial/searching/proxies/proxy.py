"""The interface of proxies: a score of an untrained network, larger if it should train better."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.tasks.calls import taken_by

TINY = 1e-300
"""What logarithms are taken of at least: a network without a path gives 0."""


@dataclass(frozen=True)
class Untrained:
    """A plain network with new weights, and what proxies show it.

    Attributes:
        module: it; proxies may change modes and running statistics, and no weight.
        inputs: of some training examples, (n, …) each.
        loss: how wrong outputs for these inputs are, ().
    """

    module: nn.Module
    inputs: Any
    loss: Callable[[Any], Tensor]

    @property
    def norms(self) -> list[_BatchNorm]:
        """The BatchNorm layers, in the order of their names."""
        return [module for module in self.module.modules() if isinstance(module, _BatchNorm)]

    def on_batches(self) -> nn.Module:
        """Return the module such that BatchNorm takes the statistics of each batch; all else, as dropout, evaluates."""
        self.module.eval()
        for norm in self.norms:
            norm.train()
        return self.module


class Proxy(ABC):
    """One number of an untrained network.

    Attributes:
        name: what settings call it.
        regards: what of a network it looks at; two that look at the same err alike, so they count as one view.
        least: what it is for a network that it cannot tell anything of, as one without a path; nothing is below.
        perturbs: whether it varies inputs a little, which tokens do not allow.
    """

    name: ClassVar[str]
    regards: ClassVar[str]
    least: ClassVar[float] = math.log(TINY)
    perturbs: ClassVar[bool] = False

    def __call__(self, network: Untrained) -> float:
        """Return the score of `network`, finite and at least `least`."""
        value = self.score(network)
        return max(value, self.least) if math.isfinite(value) else self.least

    @abstractmethod
    def score(self, network: Untrained) -> float:
        """Return the score; nan or infinity where there is none."""


def log(value: float) -> float:
    """Return the logarithm of `value`, of nothing that of `TINY`; nan and infinity stay what they are."""
    return math.log(max(value, TINY)) if math.isfinite(value) else value


def called_with(module: nn.Module, tensors: dict[str, Tensor], inputs: Any) -> Any:
    """Return what `module` gives for `inputs` with other `tensors` in place of its own, by name."""
    given = taken_by(module, inputs)
    if isinstance(given, Mapping):
        return functional_call(module, tensors, (), dict(given))
    return functional_call(module, tensors, tuple(given) if isinstance(given, tuple | list) else (given,))
