"""Is what was found true? Each node is run with part of the units, and must give that part of what it gave.

What a node does is known by its name, or guessed: a module that nobody knows is taken to work on each unit by itself.
Here that is tried, on what flows through the network, so that a wrong guess costs a group and never a wrong result.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from archdial.networks.graph.capture.caches import left_alone
from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.choices.kinds import function_name
from archdial.networks.graph.widths.cut import cut, cut_tensor, masked, masked_tensor
from archdial.networks.graph.widths.labels import is_number
from archdial.networks.graph.widths.shapes import number_with
from archdial.networks.graph.widths.sums import is_constant

if TYPE_CHECKING:
    from archdial.networks.graph.widths.found import Widths

_SUMMING = {"linear", "matmul", "bmm", "mm", "addmm", "baddbmm", "conv1d", "conv2d", "conv3d", "__matmul__"}


@torch.no_grad()
def broken(captured: Captured, widths: Widths) -> frozenset[int]:
    """Return the groups of which part cannot be cut as `widths` has it."""
    found: set[int] = set()
    with left_alone(captured.root):
        for counts in _trials(widths):
            for node in captured.graph.nodes:
                touched = widths.touched(node)
                if not touched or touched <= found or node.op in {"placeholder", "output", "get_attr"}:
                    continue
                if not _holds(captured, widths, node, counts):
                    found |= _at_fault(captured, widths, node, counts)
    return frozenset(found)


def _trials(widths: Widths) -> Iterator[list[int]]:
    """Yield counts to try: half of each group, and any."""
    draw = random.Random(0)
    yield [(group.units + 1) // 2 for group in widths.groups]
    yield [draw.randint(1, group.units) for group in widths.groups]


def _at_fault(captured: Captured, widths: Widths, node: fx.Node, counts: Sequence[int]) -> frozenset[int]:
    """Return those groups of a node that cannot be cut alone; all where each can."""
    touched = widths.touched(node)
    found = []
    for group in touched:
        alone = [counts[number] if number == group else own.units for number, own in enumerate(widths.groups)]
        if not _holds(captured, widths, node, alone):
            found.append(group)
    return frozenset(found) or touched


def _holds(captured: Captured, widths: Widths, node: fx.Node, counts: Sequence[int]) -> bool:
    try:
        given = _run_cut(captured, widths, node, counts)
        expected = _cut_value(_expected(captured, widths, node, counts), widths.axes.get(node), counts)
    except Exception:
        return False
    if is_number(captured.flow[node]):
        return True
    return _alike(given, expected)


def _run_cut(captured: Captured, widths: Widths, node: fx.Node, counts: Sequence[int]) -> Any:
    def value(source: fx.Node) -> Any:
        own = captured.flow[source]
        if is_number(own):
            return number_with(widths, source, counts)
        return _cut_value(own, widths.axes.get(source), counts)

    args, kwargs = widths.arguments(node, counts)
    args, kwargs = fx.node.map_arg(args, value), fx.node.map_arg(kwargs, value)
    if node.op == "call_module":
        module = captured.root.get_submodule(str(node.target))
        held = widths.held.get(node)
        return (cut(module, held, counts) if held else module)(*args, **kwargs)
    return _called(node, args, kwargs)


def _called(node: fx.Node, args: Any, kwargs: Any) -> Any:
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)  # type: ignore[operator]


def _expected(captured: Captured, widths: Widths, node: fx.Node, counts: Sequence[int]) -> Any:
    """Return what `node` gives on all units, with those masked that it sums over and are not kept."""
    masks = [(torch.arange(group.units) < count).float() for group, count in zip(widths.groups, counts, strict=True)]

    def value(source: fx.Node) -> Any:
        own, axes = captured.flow[source], widths.axes.get(source)
        if axes is None or not isinstance(own, Tensor) or not is_constant(source):
            return own
        return masked_tensor(own, axes, masks)

    if node.op == "call_module":
        if node not in widths.contracted:
            return captured.flow[node]
        module = captured.root.get_submodule(str(node.target))
        module = masked(module, widths.held[node], widths.contracted[node], masks)
        return module(*fx.node.map_arg(node.args, value), **fx.node.map_arg(node.kwargs, value))
    if function_name(node) not in _SUMMING:
        return captured.flow[node]
    return _called(node, fx.node.map_arg(node.args, value), fx.node.map_arg(node.kwargs, value))


def _cut_value(value: Any, axes: Any, counts: Sequence[int]) -> Any:
    if axes is None:
        return value
    if isinstance(value, Tensor):
        return cut_tensor(value, axes, counts)
    return type(value)(_cut_value(one, own, counts) for one, own in zip(value, axes, strict=True))


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
