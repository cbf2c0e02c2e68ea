"""zen: how expressive a network is, by how much its features move with random inputs under random weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from archdial.networks.example import flat
from archdial.searching.proxies.proxy import Proxy, Untrained, called_with, log

STEP = 0.01
"""α: how far inputs are moved."""


class Zen(Proxy):
    """log E ‖f(x) − f(x + α ε)‖_F + Σ_k log σ_k: x, ε and all weights from N(0, 1), σ_k what BatchNorm k divides by.

    Lin, Wang, Sun, Chen, Sun, Qian, Li and Jin (2021), *Zen-NAS: a zero-shot NAS for high-performance image
    recognition*, algorithm 1. f is what the last BatchNorm gives, before pooling forgets where features were, or the
    outputs of a network without any. σ_k² is the mean over channels of the batch's variance. One draw; the paper's
    removal of residual links is left out, as a built member is scored as it is.
    """

    name = "zen"
    regards = "variation"
    perturbs = True

    def score(self, network: Untrained) -> float:
        """Return the score; of the inputs it reads the shapes alone."""
        module, watch = network.on_batches(), _Watch()
        weights = {n: torch.randn_like(w) for n, w in module.named_parameters() if w.ndim > 1}
        first = pytree.tree_map_only(Tensor, torch.randn_like, network.inputs)
        moved = pytree.tree_map_only(Tensor, lambda one: one + STEP * torch.randn_like(one), first)
        hooks = [norm.register_forward_hook(watch) for norm in network.norms]
        try:
            with torch.no_grad():
                here = watch.features(module, weights, first)
                scales = sum(watch.scales)
                there = watch.features(module, weights, moved)
        finally:
            for hook in hooks:
                hook.remove()
        apart = float((here - there).flatten(1).norm(dim=1).mean())
        return log(apart) + scales if apart > 0 else log(0.0)


class _Watch:
    """What BatchNorm layers divided by, as logarithms, and what the last of them gave."""

    def __init__(self) -> None:
        self.scales: list[float] = []
        self._last: Tensor | None = None

    def __call__(self, norm: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        over = [dimension for dimension in range(inputs[0].ndim) if dimension != 1]
        variance = float(inputs[0].var(over, correction=0).mean())
        # A layer that is fed nothing scales nothing.
        if variance > 0:
            self.scales.append(log(variance) / 2)
        self._last = output

    def features(self, module: nn.Module, weights: dict[str, Tensor], inputs: Any) -> Tensor:
        outputs = called_with(module, weights, inputs)
        return flat(outputs)[0] if self._last is None else self._last
