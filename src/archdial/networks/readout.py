"""Refits the last linear layers of a member to the outputs of the network that it was cut from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, fx, nn

RIDGE = 0.1
"""Of the mean variance of the features: what a change of the weights must be worth."""
_KEPT = 2**26
"""Bytes of a layer's outputs that are kept from one member to the next; more are computed again for each."""

Batches = Sequence[tuple[Tensor, ...]]


class Imitated:
    """What the linear layers of the untouched network return on the same examples, for one member after the other.

    Args:
        make: returns the untouched network, in eval mode.
        examples: what `batches` of `outputs` are made from.
        state: the weights of the untouched network; None if they may differ by the next member.
    """

    def __init__(self, make: Callable[[], nn.Module], examples: object, state: Mapping[str, Tensor] | None) -> None:
        self._make, self._examples, self._state = make, examples, state
        self._kept: dict[str, list[Tensor]] = {}

    def serves(self, examples: object, state: Mapping[str, Tensor] | None) -> bool:
        """Whether outputs are those for these examples and weights, neither of which anybody changes in place."""
        return state is not None and state is self._state and examples is self._examples

    def outputs(self, name: str, batches: Batches) -> Iterator[Tensor]:
        """Yield what the layer called `name` returns (n, o), a batch at a time."""
        if name in self._kept:
            yield from self._kept[name]
            return
        kept: list[Tensor] = []
        room, whole = _KEPT, self._make()
        for batch in batches:
            with _seen(whole.get_submodule(name), outputs=True) as wanted:
                whole(*batch)
            rows = _rows(wanted)
            room -= rows.nbytes
            if room >= 0:
                kept.append(rows)
            yield rows
        if room >= 0:
            self._kept[name] = kept


@torch.no_grad()
def refit_readout(member: fx.GraphModule, imitated: Imitated, batches: Batches) -> None:
    """Refit the linear layers that return the outputs of `member`, in place, to those of the untouched network.

    min over V and b' of Σ ‖(W + V) x + b' − y‖² + ρ ‖V‖², for the features x and inherited weights W of a layer, and
    its outputs y in the whole network: least squares as in channel pruning (He et al. 2017, eq. 1), here for the last
    layers only, without labels and in closed form. ρ draws weights towards the inherited ones, not to 0.

    Args:
        member: built, in eval mode.
        imitated: the untouched network's outputs; it has layers of the same names.
        batches: positional inputs, none if nothing is to change.
    """
    for name in readouts(member) if batches else ():
        layer = member.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        sums = _Sums(layer)
        for batch, wanted in zip(batches, imitated.outputs(name, batches), strict=True):
            with _seen(layer) as features:
                member(*batch)
            sums.add(_rows(features), wanted)
        sums.solve(layer)


def readouts(module: fx.GraphModule) -> list[str]:
    """Return the names of the linear layers whose outputs are returned, views of them and the like included.

    One that runs more than once, or shares its weights with another layer, is not among them.
    """
    calls = [node.target for node in module.graph.nodes if node.op == "call_module"]
    found = dict.fromkeys(_source(module, node) for node in _returned(module.graph))
    return [name for name in found if name is not None and calls.count(name) == 1 and _owns(module, name)]


def _returned(graph: fx.Graph) -> list[fx.Node]:
    (output,) = graph.find_nodes(op="output")
    nodes: list[fx.Node] = output.all_input_nodes
    return nodes


def _source(module: fx.GraphModule, node: fx.Node) -> str | None:
    """Return the linear layer that `node` comes from through nothing but what has one input and no weights."""
    while True:
        if node.op == "call_module":
            layer = module.get_submodule(str(node.target))
            if isinstance(layer, nn.Linear):
                return str(node.target)
            if list(layer.parameters()):
                return None
        if node.op not in ("call_module", "call_function", "call_method") or len(node.all_input_nodes) != 1:
            return None
        (node,) = node.all_input_nodes


def _owns(module: nn.Module, name: str) -> bool:
    layer = module.get_submodule(name)
    others = (own for other in module.modules() if other is not layer for own in other.parameters(recurse=False))
    return all(own is not other for other in others for own in layer.parameters())


@contextmanager
def _seen(layer: nn.Module, *, outputs: bool = False) -> Iterator[list[Tensor]]:
    """Collect what `layer` receives, or what it returns, until the end of the context."""
    kept: list[Tensor] = []

    def keep(_: nn.Module, given: tuple[Any, ...], returned: Any) -> None:
        kept.append(returned if outputs else given[0])

    handle = layer.register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()


def _rows(kept: list[Tensor]) -> Tensor:
    return torch.cat([one.flatten(0, -2) for one in kept])


class _Sums:
    """Sums over all rows, of which least squares needs no more: nothing grows with the number of examples."""

    def __init__(self, layer: nn.Linear) -> None:
        like = layer.weight.new_zeros((), dtype=torch.float64)
        self.weight = layer.weight.double()
        self.count = 0
        self.features = like.new_zeros(layer.in_features)
        self.wanted = like.new_zeros(layer.out_features)
        self.squares = like.new_zeros(layer.in_features, layer.in_features)
        self.products = like.new_zeros(layer.in_features, layer.out_features)

    def add(self, features: Tensor, wanted: Tensor) -> None:
        """Add rows (n, f) of features and (n, o) of wanted outputs, which may have been kept on another device."""
        features, wanted = features.to(self.features), wanted.to(self.wanted)
        self.count += len(features)
        self.features += features.sum(0)
        self.wanted += wanted.sum(0)
        self.squares += features.T @ features
        self.products += features.T @ wanted

    def solve(self, layer: nn.Linear) -> None:
        """Put the weights and the bias that fit best into `layer`."""
        squares, products = self.squares / self.count, self.products / self.count
        means, wanted = self.features / self.count, self.wanted / self.count
        if layer.bias is not None:
            squares, products = squares - torch.outer(means, means), products - torch.outer(means, wanted)
        ridge = RIDGE * squares.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
        damped = squares + ridge * torch.eye(len(squares), dtype=squares.dtype, device=squares.device)
        change = torch.linalg.solve(damped, products - squares @ self.weight.T)
        weight = self.weight + change.T
        layer.weight.copy_(weight)
        if layer.bias is not None:
            layer.bias.copy_(wanted - weight @ means)
