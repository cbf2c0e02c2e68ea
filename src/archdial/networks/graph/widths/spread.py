"""Following units through a graph: each node's labels, and the ties that it creates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.widths.labels import Labels, Number, labelled
from archdial.networks.graph.widths.ties import FIXED, Ties, core, laid_along
from archdial.networks.standalone import attribute_of


@dataclass(frozen=True)
class Out:
    """The outputs of some weights: `ids` (n,), by the path `name`."""

    name: str
    kind: str
    ids: Tensor


@dataclass
class Spread:
    """What is known so far.

    Attributes:
        streams: whether what is normalised over may be cut.
        states: of each node its Labels, several in a tuple or list, a Number, or None.
        beside: tensors within modules, which must stay cross products too.
        outs: outputs of weights, in the order in which they run.
        held: of each call of a module its parameters and buffers by name.
        contracted: of those the dimensions that are summed over.
        summed: weights that functions sum over, and the ids along that dimension.
        marked: ids by the kind of group that they make.
    """

    captured: Captured
    streams: bool = False
    ties: Ties = field(default_factory=Ties)
    states: dict[fx.Node, Any] = field(default_factory=dict)
    beside: list[Labels] = field(default_factory=list)
    outs: list[Out] = field(default_factory=list)
    held: dict[fx.Node, dict[str, Tensor]] = field(default_factory=dict)
    contracted: dict[fx.Node, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    summed: list[tuple[fx.Node, Tensor]] = field(default_factory=list)
    marked: dict[str, list[Tensor]] = field(default_factory=dict)
    _ids: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    _tensors: dict[int, Tensor] = field(default_factory=dict)

    def value(self, argument: Any) -> Any:
        """Return `argument` with what each node in it gave."""
        return fx.node.map_arg(argument, lambda node: self.captured.flow[node])

    def shape(self, node: fx.Node) -> tuple[int, ...]:
        """Return the shape of the tensor that `node` gave."""
        return tuple(self.captured.flow[node].shape)

    def labels(self, argument: Any) -> Labels:
        """Return what is known of a tensor among arguments, by now; what is no tensor has no dimensions."""
        if not isinstance(argument, fx.Node):
            return Labels(())
        state = self.states.get(argument)
        if isinstance(state, Labels):
            return labelled(self.ties, state.shape, state.layers)
        value = self.captured.flow[argument]
        return Labels(tuple(value.shape) if isinstance(value, Tensor) else ())

    def made(self, shape: Sequence[int], layers: Sequence[Tensor]) -> Labels:
        """Return labels of a result."""
        return labelled(self.ties, shape, layers)

    def pin(self, state: Any) -> None:
        """Let nothing of a state be cut."""
        if isinstance(state, Labels):
            for layer in state.layers:
                self.ties.pin(layer)
        elif isinstance(state, Number):
            self.ties.pin(state.ids)
        elif isinstance(state, tuple | list):
            for one in state:
                self.pin(one)

    def pin_inputs(self, node: fx.Node) -> None:
        """Let nothing that `node` reads be cut."""
        for source in node.all_input_nodes:
            self.pin(self.states.get(source))

    def ids(self, tensor: Tensor, dimension: int) -> Tensor:
        """Return the ids (n,) along a dimension of a parameter or buffer, the same at every use of it."""
        key = (id(tensor), dimension)
        self._tensors[id(tensor)] = tensor
        if key not in self._ids:
            count = tensor.shape[dimension]
            self._ids[key] = self.ties.fresh(count) if count > 1 else torch.full((count,), FIXED)
        return self._ids[key]

    def known(self) -> Iterator[tuple[Tensor, int, Tensor]]:
        """Yield each parameter and buffer, its dimensions, and the ids along them."""
        for (key, dimension), ids in self._ids.items():
            yield self._tensors[key], dimension, ids

    def along(self, tensor: Tensor) -> tuple[Tensor | None, ...]:
        """Return the ids along each dimension of a parameter or buffer, None where nobody asked for them."""
        return tuple(self._ids.get((id(tensor), dimension)) for dimension in range(tensor.dim()))

    def hold(self, node: fx.Node, module: nn.Module, name: str, dimension: int, ids: Tensor | None = None) -> Tensor:
        """Return the ids along a dimension of what `module` has by `name`, tied with `ids`; `node` calls it."""
        tensor: Tensor = getattr(module, name)
        self.held.setdefault(node, {})[name] = tensor
        own = self.ids(tensor, dimension)
        if ids is not None:
            self.ties.tie(own, ids)
        return own

    def sum_over(self, node: fx.Node, name: str, dimension: int) -> None:
        """Note that the call `node` sums over a dimension of its parameter `name`."""
        known = self.contracted.setdefault(node, {})
        known[name] = (*known.get(name, ()), dimension)

    def mark(self, kind: str, ids: Tensor) -> None:
        """Note that groups of these ids are of another kind than their first weights."""
        self.marked.setdefault(kind, []).append(core(ids).flatten())

    def parameter(self, node: fx.Node) -> Tensor:
        """Return the parameter or buffer that `node` reads, itself."""
        tensor: Tensor = attribute_of(self.captured.root, str(node.target))
        return tensor

    def of_attribute(self, node: fx.Node) -> Labels:
        """Return the labels of a parameter or buffer: a layer a dimension; what counts or chooses is fixed."""
        tensor = self.parameter(node)
        shape = tuple(tensor.shape)
        if not tensor.is_floating_point():
            return Labels(shape)
        layers = [laid_along(self.ids(tensor, d), d, shape) for d, size in enumerate(shape) if size > 1]
        return labelled(self.ties, shape, layers)


def argument(node: fx.Node, place: int, name: str, default: Any = None) -> Any:
    """Return an argument of `node` by its place or its name."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name, default)


Rule = Callable[[Spread, fx.Node], Any]
Rules = Mapping[str, Rule]
