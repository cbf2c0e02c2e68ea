"""A network as its steps see it at other widths: sliced if chosen, masked if weighted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.steps import Seen
from archdial.networks.graph.widths.cut import cut, cut_tensor, masked, masked_tensor
from archdial.networks.graph.widths.widths import Widths


def counts_of(widths: Widths, choices: Sequence[GraphChoice], options: Iterable[tuple[int, int]]) -> list[int]:
    """Return how many units of each group are kept where choices, by number, take `options`; all others are whole."""
    found = [group.units for group in widths.groups]
    for row, option in options:
        for group, count in choices[row].counts(option).items():
            found[group] = count
    return found


class Sliced(Seen):
    """A network of which only the first units of each group are computed; gradients reach the whole tensors."""

    def __init__(self, root: nn.Module, widths: Widths, counts: Sequence[int]) -> None:
        super().__init__(root)
        self._widths, self._counts = widths, counts
        self._modules: dict[str, nn.Module] = {}

    @classmethod
    def of(cls, root: nn.Module, widths: Widths, choices: Sequence[GraphChoice], options: Sequence[int]) -> Self | None:
        """Return the network where each choice takes its option; None where all units are kept."""
        counts = counts_of(widths, choices, enumerate(options))
        return None if counts == [group.units for group in widths.groups] else cls(root, widths, counts)

    def module(self, node: fx.Node) -> nn.Module:
        """Return the module that `node` calls, narrower; one that is called twice is cut once."""
        name, held = str(node.target), self._widths.held.get(node)
        if held is None:
            return super().module(node)
        if name not in self._modules:
            self._modules[name] = cut(super().module(node), held, self._counts)
        return self._modules[name]

    def attribute(self, node: fx.Node) -> Any:
        """Return the kept part of what `node` reads."""
        found, axes = super().attribute(node), self._widths.axes.get(node)
        return found if axes is None else cut_tensor(found, axes, self._counts)

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `node` with sizes as they are now."""
        return self._widths.arguments(node, self._counts)


class Masked(Seen):
    """A network at full width, in which what is summed over units counts with their masks."""

    def __init__(self, root: nn.Module, widths: Widths, masks: Mapping[int, Tensor]) -> None:
        super().__init__(root)
        self._widths = widths
        one = next(iter(masks.values()))
        self._masks = [masks.get(number, one.new_ones(group.units)) for number, group in enumerate(widths.groups)]
        self._modules: dict[str, nn.Module] = {}

    @classmethod
    def of(cls, root: nn.Module, widths: Widths, choices: Sequence[GraphChoice], weights: Tensor) -> Self | None:
        """Return the network under weights (m, k) of all choices; None where none of them settles a width."""
        masks = {
            group: mask(widths.groups[group].units, choice, group, weights[row])
            for row, choice in enumerate(choices)
            for group in choice.groups
        }
        return cls(root, widths, masks) if masks else None

    def module(self, node: fx.Node) -> nn.Module:
        """Return the module that `node` calls, with masked weights where it sums over units."""
        name, summed = str(node.target), self._widths.contracted.get(node)
        if not summed:
            return super().module(node)
        if name not in self._modules:
            self._modules[name] = masked(super().module(node), self._widths.held[node], summed, self._masks)
        return self._modules[name]

    def attribute(self, node: fx.Node) -> Any:
        """Return what `node` reads, masked where it is summed over."""
        found, summed = super().attribute(node), self._widths.contracted.get(node)
        return masked_tensor(found, self._widths.axes[node], self._masks, summed[""]) if summed else found


def mask(units: int, choice: GraphChoice, group: int, weights: Tensor) -> Tensor:
    """Return (units,): how much each unit counts under `weights` (k,), that of all options that keep it.

    An option that drops what the group is in says nothing of its width: there all units count.
    """
    places = torch.arange(units, device=weights.device)
    total = torch.zeros(units, device=weights.device, dtype=weights.dtype)
    for option in range(len(choice.choice.options)):
        kept = choice.counts(option).get(group, units)
        total = total + weights[option] * (places < kept).to(weights.dtype)
    return total
