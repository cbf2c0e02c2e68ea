"""Reordering the units of each group in all tensors that have them, without changing the output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.widths import Widths
from archdial.networks.standalone import attribute_of


@torch.no_grad()
def sort_units(root: nn.Module, widths: Widths, orders: Mapping[int, Sequence[int]]) -> None:
    """Let unit n of each group be what unit orders[group][n] was, wherever it stands in tensors of `root`.

    Args:
        root: owner of the tensors, which are written to in place.
        widths: of the network.
        orders: by number of the group, each a permutation of its units.
    """
    for tensor, axes in tensors_of(root, widths):
        moved = tensor
        for dimension, axis in enumerate(axes):
            if axis is not None and axis.touches & orders.keys():
                moved = moved.index_select(dimension, _places(axis, orders).to(tensor.device))
        if moved is not tensor:
            tensor.copy_(moved)


def tensors_of(root: nn.Module, widths: Widths) -> Iterator[tuple[Tensor, Axes]]:
    """Yield each tensor of `root` that has units once, with what stands along its dimensions."""
    seen: set[int] = set()
    for node, names in widths.held.items():
        module = root.get_submodule(str(node.target))
        for name, axes in names.items():
            tensor = attribute_of(module, name)
            if tensor is not None and id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor, axes
    for node, axes in widths.axes.items():
        if node.op == "get_attr":
            tensor = attribute_of(root, str(node.target))
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor, axes


def _places(axis: Axis, orders: Mapping[int, Sequence[int]]) -> Tensor:
    """Return (places,): from which place each one is filled; the places of a unit keep their order among themselves."""
    where: dict[tuple[int, int], list[int]] = {}
    for place, one in enumerate(zip(axis.groups, axis.units, strict=True)):
        where.setdefault(one, []).append(place)
    found = list(range(len(axis.groups)))
    for (group, unit), places in where.items():
        if group in orders:
            for place, source in zip(places, where[group, orders[group][unit]], strict=True):
                found[place] = source
    return torch.tensor(found)
