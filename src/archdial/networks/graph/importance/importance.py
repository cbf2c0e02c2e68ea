"""The interface of importance measures: a number for each unit of each group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.network import GatedNetwork
from archdial.networks.graph.widths.axis import Axes, Axis
from archdial.networks.graph.widths.widths import Widths
from archdial.networks.standalone import attribute_of

Read = tuple[Tensor, int, Axis]
"""A weight that is summed over units, the dimension in which, and what stands along it."""

Example = tuple[Any, Callable[[Any], Tensor]]
"""Inputs (n, …) of a network, and what makes the loss () of its outputs."""


class Importance(ABC):
    """How much is lost with a unit: the units of a group are kept from the largest down."""

    @abstractmethod
    def __call__(self, network: GatedNetwork, examples: Iterable[Example]) -> list[Tensor]:
        """Return for each group of `network` a number, 0 or more, for each unit (units,); it is left as it was."""


def by_unit(values: Tensor, axis: Axis, widths: Widths) -> Iterator[tuple[int, Tensor]]:
    """Yield of each group along an axis its number, and the sums (units,) of `values` (places,) over each unit."""
    groups, units = torch.tensor(axis.groups), torch.tensor(axis.units)
    for group in sorted(axis.touches):
        own = groups == group
        total = torch.zeros(widths.groups[group].units, dtype=values.dtype)
        yield group, total.index_add_(0, units[own], values.detach().cpu()[own])


def nothing_yet(widths: Widths) -> list[Tensor]:
    """Return zeros (units,) for each group."""
    return [torch.zeros(group.units) for group in widths.groups]


def summed_over(root: nn.Module, widths: Widths) -> list[Read]:
    """Return the weights that are summed over units, each once, with the dimension and what stands along it."""
    found: dict[tuple[int, int], Read] = {}
    for node, names in widths.contracted.items():
        for name, dimensions in names.items():
            tensor, axes = _tensor_of(root, widths, node, name)
            for dimension in dimensions:
                if (axis := axes[dimension]) is not None:
                    found[id(tensor), dimension] = (tensor, dimension, axis)
    return list(found.values())


def _tensor_of(root: nn.Module, widths: Widths, node: fx.Node, name: str) -> tuple[Tensor, Axes]:
    if node.op == "call_module":
        module = root.get_submodule(str(node.target))
        return module.get_parameter(name), widths.held[node][name]
    return attribute_of(root, str(node.target)), widths.axes[node]


def over(values: Tensor, dimension: int) -> Tensor:
    """Return the sums (places,) of `values` over all other dimensions."""
    others = [other for other in range(values.dim()) if other != dimension]
    return values.sum(others) if others else values
