"""Sorting the units of a network by importance, once, so that widths nest: the first units stay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from archdial.networks.eval_mode import in_eval_mode
from archdial.networks.graph.capture.outputs import all_close, tensors_of
from archdial.networks.graph.importance.importance import Example, Importance
from archdial.networks.graph.network import GatedNetwork
from archdial.networks.graph.widths.sorting import sort_units


def rank_units(network: GatedNetwork, importance: Importance, examples: Iterable[Example]) -> dict[int, list[int]]:
    """Put the most important units of each group of `network` first; return the order that they had before.

    What comes out stays the same. A group whose units cannot change places, as outputs show, keeps its order.

    Args:
        network: whose weights are sorted in place.
        importance: of its units.
        examples: batches that it is measured on.
    """
    chosen = {group for choice in network.choices for group in choice.groups}
    if not chosen:
        return {}
    orders = {
        group: torch.argsort(scores, descending=True, stable=True).tolist()
        for group, scores in enumerate(importance(network, examples))
        if group in chosen
    }
    before = _outputs(network)
    if _sorted(network, orders, before):
        return orders
    return {group: order for group, order in orders.items() if _sorted(network, {group: order}, before)}


def _sorted(network: GatedNetwork, orders: Mapping[int, Sequence[int]], before: Sequence[Tensor]) -> bool:
    """Sort as `orders` say, or leave everything as it is where outputs then differ from those `before`."""
    sort_units(network.body, network.widths, orders)
    if all_close(_outputs(network), before):
        return True
    sort_units(network.body, network.widths, {group: _inverse(order) for group, order in orders.items()})
    return False


def _inverse(order: Sequence[int]) -> list[int]:
    return torch.argsort(torch.tensor(order)).tolist()


@torch.no_grad()
def _outputs(network: GatedNetwork) -> list[Tensor]:
    device = next(network.parameters()).device
    inputs = network.calling.tree([one.to(device) for one in network.calling.flat(network.example)])
    with in_eval_mode(network):
        return tensors_of(network(inputs, network.space.one_hot(network.whole).to(device)))
