"""Shapes and numbers in a graph when some units are removed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, fx

from archdial.networks.graph.widths.labels import is_number
from archdial.networks.graph.widths.places import Places
from archdial.networks.node_names import function_name


def shape_of(value: Any) -> Any:
    """Return the shape of a tensor, of each in a tuple, or a number as it is; None for anything else."""
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if is_number(value):
        return tuple(value) if isinstance(value, tuple | list) else value
    if isinstance(value, tuple | list):
        return tuple(shape_of(one) for one in value)
    return None


def shape_with(widths: Places, node: fx.Node, counts: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the tensor that `node` gives for one input, with `counts` units kept per group."""
    shape = widths.shapes[node]
    axes = widths.axes.get(node) or (None,) * len(shape)
    return tuple(size if axis is None else axis.size(counts) for size, axis in zip(shape, axes, strict=True))


def number_with(widths: Places, node: fx.Node, counts: Sequence[int]) -> Any:
    """Return the number, or the shape, that `node` gives for one input, with `counts` units kept per group."""
    name = function_name(node)
    source = node.args[0] if node.args else None
    if name in {"sym_size", "size"} or (name == "getattr" and node.args[1] == "shape"):
        assert isinstance(source, fx.Node)
        shape = shape_with(widths, source, counts)
        place = node.args[1] if name != "getattr" and len(node.args) > 1 else node.kwargs.get("dim")
        return shape if place is None else shape[place]  # type: ignore[index]
    if node.op != "call_function" or not all(is_number(widths.shapes.get(one)) for one in node.all_input_nodes):
        return widths.shapes[node]

    def value(one: fx.Node) -> Any:
        return number_with(widths, one, counts)

    return node.target(*fx.node.map_arg(node.args, value), **fx.node.map_arg(node.kwargs, value))  # type: ignore[operator]
