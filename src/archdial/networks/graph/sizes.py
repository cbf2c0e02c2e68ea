"""Which choices determine the width of a network's nodes, and the network at some of these widths."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.capture.capture import Flow
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.cut import cut, cut_tensor
from archdial.networks.graph.widths.seen import counts_of
from archdial.networks.graph.widths.widths import Widths
from archdial.networks.standalone import attribute_of

T = TypeVar("T")
NO_WIDTHS = Widths((), {}, {}, {}, {})
WHOLE: Mapping[int, int] = MappingProxyType({})
"""Options of choices that change no width: none."""


class Sizes:
    """The widths of a network by the options of its choices."""

    def __init__(self, root: nn.Module, flow: Flow, widths: Widths, choices: Sequence[GraphChoice]) -> None:
        self.root, self.flow, self.widths, self._choices = root, flow, widths, choices
        self._row_of = {group: row for row, choice in enumerate(choices) for group in choice.groups}
        self._tensors: dict[Hashable, Any] = {}
        self._whole = self._at(())

    def rows(self, node: fx.Node) -> frozenset[int]:
        """Return the choices that settle how wide what `node` reads, holds or gives is."""
        return frozenset(self._row_of[group] for group in self.widths.touched(node) if group in self._row_of)

    def holds(self, node: fx.Node) -> bool:
        """Tell whether `node` calls or reads what has units that may be cut off."""
        return node in self.widths.held or (node.op == "get_attr" and node in self.widths.axes)

    def told_apart(self, row: int, options: Iterable[int], node: fx.Node) -> tuple[frozenset[int], ...]:
        """Return `options` of a choice in sets under which `node` is equally wide."""
        groups = self.widths.touched(node)
        found: dict[Any, list[int]] = {}
        for option in options:
            counts = self._choices[row].counts(option)
            found.setdefault(tuple(counts.get(group) for group in sorted(groups)), []).append(option)
        return tuple(map(frozenset, found.values()))

    def at(self, options: Mapping[int, int]) -> Sized:
        """Return the network as wide as `options`, by number of the choice, make it."""
        return self._at(options.items()) if options else self._whole

    def _at(self, options: Iterable[tuple[int, int]]) -> Sized:
        return Sized(self, counts_of(self.widths, self._choices, options))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what was made for `key`, or make it: what is one tensor in the network stays one at any width."""
        if key not in self._tensors:
            self._tensors[key] = make()
        found: T = self._tensors[key]
        return found


class Sized:
    """A network at some widths, of which nodes can be looked at one by one.

    Attributes:
        flow: what nodes give for one input at full width.
        counts: how many units of each group are kept.
    """

    def __init__(self, sizes: Sizes, counts: Sequence[int]) -> None:
        self._sizes, self.counts, self.flow = sizes, counts, sizes.flow
        self._root, self._widths = sizes.root, sizes.widths

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `node`, its nodes as they are, numbers as the widths ask for."""
        return self._widths.arguments(node, self.counts)

    def sizes(self, node: fx.Node) -> tuple[float, ...]:
        """Return how many places the units of each group take that `node` reads, holds or gives, in this order."""
        own = [self._widths.axes.get(one) or () for one in (*node.all_input_nodes, node)]
        axes = [axis for found in (*own, *self._widths.held.get(node, {}).values()) for axis in found]
        groups = dict.fromkeys(group for axis in axes if isinstance(axis, Axis) for group in sorted(axis.touches))
        return tuple(float(self.counts[group] * self._widths.groups[group].places) for group in groups)

    def is_cut(self, node: fx.Node) -> bool:
        """Tell whether what `node` calls or reads is narrower than whole."""
        held = self._widths.held.get(node, {}).values() if node.op == "call_module" else (self._widths.axes.get(node),)
        return any(self._kept(axes or ()) for axes in held)

    def tensor(self, node: fx.Node) -> Tensor:
        """Return what `node` gives, a tensor, in the layout that it has at full width."""
        tensor: Tensor = self.flow[node]
        axes: Axes = self._widths.axes.get(node) or ()
        return dense(cut_tensor(tensor, axes, self.counts)) if self._kept(axes) else tensor

    def module(self, node: fx.Node) -> nn.Module:
        """Return the module that `node` calls, with tensors of its own where it is narrower than whole."""
        module = self._root.get_submodule(str(node.target))
        held = self._widths.held.get(node, {})
        if not (kept := self._kept(axis for axes in held.values() for axis in axes)):
            return module
        return self._sizes.once((id(module), kept), lambda: self._parameters(module, held))

    def attribute(self, node: fx.Node) -> Any:
        """Return the tensor that `node`, which reads an attribute, gives."""
        return self._part(attribute_of(self._root, str(node.target)), self._widths.axes.get(node) or ())

    def _part(self, tensor: Any, axes: Axes) -> Any:
        """Return what stays of `tensor` in memory of its own: of one tensor one part; all of it where nothing goes."""
        if not (kept := self._kept(axes)):
            return tensor
        return self._sizes.once((id(tensor), kept), lambda: _owned(tensor, cut_tensor(tensor, axes, self.counts)))

    def _parameters(self, module: nn.Module, held: Mapping[str, Axes]) -> nn.Module:
        """Return a narrower copy of `module` that owns its tensors."""
        made: Any = cut(module, held, self.counts)
        owned = {name: self._part(getattr(module, name), axes) for name, axes in held.items()}
        for name in owned:
            vars(made).pop(name, None)
        made._parameters = {name: owned.get(name, one) for name, one in module._parameters.items()}
        made._buffers = {name: owned.get(name, one) for name, one in module._buffers.items()}
        # Without what writes statistics back to the module.
        made._forward_hooks = OrderedDict(module._forward_hooks)
        if isinstance(module, nn.RNNBase):
            made._flat_weights = [getattr(made, name) for name in module._flat_weights_names]
        found: nn.Module = made
        return found

    def _kept(self, axes: Iterable[Axis | None]) -> tuple[tuple[int, int], ...]:
        """Return the groups along `axes` that are narrower than whole, with how many units are kept."""
        groups = sorted(set().union(*(axis.touches for axis in axes if axis is not None)))
        return tuple((one, self.counts[one]) for one in groups if self.counts[one] < self._widths.groups[one].units)


def _owned(tensor: Tensor, part: Tensor) -> Tensor:
    """Return `part` of `tensor` in memory of its own, as much a parameter as that is."""
    found = dense(part.detach())
    return nn.Parameter(found, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else found


def dense(tensor: Tensor) -> Tensor:
    """Return a copy of `tensor` without gaps in memory, its dimensions in the same order there."""
    return torch.empty_like(tensor).copy_(tensor)
