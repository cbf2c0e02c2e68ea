"""Verifying width groups: each node is run on some units, and must give those units of its output.

What a node does is known by its name, or guessed: a module that nobody knows is taken to work on each unit by itself.
Here that is tried, on what flows through the network, so that a wrong guess costs a group and never a wrong result.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from archdial.networks.graph.capture.caches import left_alone
from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.widths.cut import cut, cut_tensor, masked, masked_tensor
from archdial.networks.graph.widths.labels import is_number
from archdial.networks.graph.widths.shapes import number_with
from archdial.networks.graph.widths.sums import is_constant
from archdial.networks.graph.widths.widths import Widths
from archdial.networks.node_names import function_name

_SUMMING = {"linear", "matmul", "bmm", "mm", "addmm", "baddbmm", "conv1d", "conv2d", "conv3d", "__matmul__"}

_NOTHING = 1e-30
"""Numbers that differ by less are the same: where they are smaller, they are rounded too coarsely to be compared."""


@torch.no_grad()
def broken(captured: Captured, widths: Widths) -> frozenset[int]:
    """Return the groups of which part cannot be cut as `widths` has it; none where there are no values to try."""
    found: set[int] = set()
    if any(isinstance(value, Tensor) and value.is_meta for value in captured.flow.values()):
        # A network that archdial makes, without memory, for a member that was saved.
        return frozenset()
    values = _Values(captured)
    with left_alone(captured.root):
        for counts in _trials(widths):
            trial = _Trial(values, widths, counts)
            for node in captured.graph.nodes:
                touched = widths.touched(node)
                if not touched or touched <= found or node.op in {"placeholder", "output", "get_attr"}:
                    continue
                if not trial.holds(node):
                    found |= _at_fault(trial, node)
                elif node.op != "call_module" and len(touched) > 1:
                    found |= _alone(trial, node)
    return frozenset(found)


def _trials(widths: Widths) -> Iterator[list[int]]:
    """Yield counts to try: half of each group, and any."""
    draw = random.Random(0)
    yield [(group.units + 1) // 2 for group in widths.groups]
    yield [draw.randint(1, group.units) for group in widths.groups]


def _at_fault(trial: _Trial, node: fx.Node) -> frozenset[int]:
    """Return those groups of a node that cannot be cut alone; all where each can."""
    return _alone(trial, node) or trial.widths.touched(node)


def _alone(trial: _Trial, node: fx.Node) -> frozenset[int]:
    """Return those groups of a node that cannot be cut while the others are whole."""
    touched = trial.widths.touched(node)
    return frozenset(group for group in touched if not trial.of_one(group).holds(node))


class _Values:
    """What flows through the network; tensors that are the same everywhere, as behind weights of zero, tell nothing."""

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self._drawn: dict[fx.Node, Tensor | None] = {}
        self._generator = torch.Generator().manual_seed(0)

    def of(self, node: fx.Node) -> Any:
        """Return what `node` gave, or where that tells nothing other numbers in its place."""
        drawn = self._in_place(node)
        return self.captured.flow[node] if drawn is None else drawn

    def told(self, node: fx.Node) -> bool:
        """Tell whether what `node` gave is what comes of the values of its inputs."""
        return all(self._in_place(source) is None for source in node.all_input_nodes)

    def _in_place(self, node: fx.Node) -> Tensor | None:
        if node not in self._drawn:
            own = self.captured.flow[node]
            even = isinstance(own, Tensor) and own.is_floating_point() and own.dim() > 1 and not is_constant(node)
            even = even and own.numel() > 1 and float(own.max() - own.min()) <= _NOTHING
            self._drawn[node] = torch.rand(own.shape, generator=self._generator).to(own) + 0.5 if even else None
        return self._drawn[node]


class _Trial:
    """Nodes with a given number of units kept per group."""

    def __init__(self, values: _Values, widths: Widths, counts: Sequence[int]) -> None:
        self.widths, self._values, self._counts = widths, values, counts
        self._root = values.captured.root

    def of_one(self, group: int) -> _Trial:
        """Return a trial with only this group cut."""
        groups = enumerate(self.widths.groups)
        counts = [self._counts[number] if number == group else own.units for number, own in groups]
        return _Trial(self._values, self.widths, counts)

    def holds(self, node: fx.Node) -> bool:
        """Tell whether `node` gives on part of the units that part of what it gives on all."""
        try:
            given = self._on_part(node)
            expected = self._part(self._on_all(node), self.widths.axes.get(node))
        except Exception:
            return False
        return is_number(self._values.captured.flow[node]) or _alike(given, expected)

    def _on_part(self, node: fx.Node) -> Any:
        args, kwargs = self.widths.arguments(node, self._counts)
        args, kwargs = fx.node.map_arg(args, self._read_part), fx.node.map_arg(kwargs, self._read_part)
        if node.op != "call_module":
            return _called(node, args, kwargs)
        module, held = self._root.get_submodule(str(node.target)), self.widths.held.get(node)
        return (cut(module, held, self._counts) if held else module)(*args, **kwargs)

    def _read_part(self, source: fx.Node) -> Any:
        value = self._values.of(source)
        if is_number(value):
            return number_with(self.widths, source, self._counts)
        return self._part(value, self.widths.axes.get(source))

    def _on_all(self, node: fx.Node) -> Any:
        """Return what `node` gives on all units, with those masked that it sums over and are not kept."""
        summing = function_name(node) in _SUMMING if node.op != "call_module" else node in self.widths.contracted
        if not summing and self._values.told(node):
            return self._values.captured.flow[node]
        args, kwargs = fx.node.map_arg(node.args, self._read_masked), fx.node.map_arg(node.kwargs, self._read_masked)
        if node.op != "call_module":
            return _called(node, args, kwargs)
        module = self._root.get_submodule(str(node.target))
        if summing:
            module = masked(module, self.widths.held[node], self.widths.contracted[node], self._masks())
        return module(*args, **kwargs)

    def _read_masked(self, source: fx.Node) -> Any:
        value, axes = self._values.of(source), self.widths.axes.get(source)
        if axes is None or not isinstance(value, Tensor) or not is_constant(source):
            return value
        return masked_tensor(value, axes, self._masks())

    def _masks(self) -> list[Tensor]:
        groups = zip(self.widths.groups, self._counts, strict=True)
        return [(torch.arange(group.units) < count).float() for group, count in groups]

    def _part(self, value: Any, axes: Any) -> Any:
        if axes is None:
            return value
        if isinstance(value, Tensor):
            return cut_tensor(value, axes, self._counts)
        return tuple(self._part(one, own) for one, own in zip(value, axes, strict=True))


def _called(node: fx.Node, args: Any, kwargs: Any) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        if one.shape != other.shape or one.dtype != other.dtype:
            return False
        if not one.is_floating_point():
            return torch.equal(one, other)
        return _close(one, other)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return bool(one == other)


def _close(one: Tensor, other: Tensor) -> bool:
    """Tell whether two tensors differ by rounding alone, over their largest element."""
    if not one.numel():
        return True
    apart, scale = float((one - other).abs().max()), float(other.abs().max())
    if math.isfinite(apart):
        return apart <= 1e-4 * scale
    return torch.allclose(one, other, rtol=1e-3, atol=1e-3, equal_nan=True)
