"""Fake quantisation put into a plain network: on which tensors, and with which ranges."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import torch
from torch import Tensor, fx, nn

from archdial.networks.eight_bits.fake import FakeQuantize
from archdial.networks.eight_bits.following import absorbs, clips, is_slice, is_sum, keeps_grid
from archdial.networks.eight_bits.grid import STEPS
from archdial.networks.eight_bits.layers import can_be_in_eight_bits, in_eight_bits
from archdial.networks.node_names import module_of
from archdial.networks.standalone import recompile

FINEST = 512
"""How many steps of an operand one step of its sum may be."""

Readers = Mapping[fx.Node, Collection[fx.Node]]
"""What reads the output of each node."""


def rounded_outputs(root: nn.Module, eight: Collection[fx.Node], readers: Readers) -> list[fx.Node]:
    """Return the nodes of `eight` whose outputs are rounded: all but what the only reader takes into the same step.

    A runtime computes convolution, normalisation and ReLU at once, and rounds what comes out of the last.
    """
    found = []
    for node in eight:
        by = list(readers.get(node, ()))
        if not (len(by) == 1 and by[0] in eight and absorbs(root, by[0], node)):
            found.append(node)
    return found


def quantize(module: fx.GraphModule, eight: Collection[str], batches: Sequence[Sequence[Tensor]]) -> None:
    """Let the nodes of `module` named in `eight` compute in eight bits, in place, with the ranges of `batches`."""
    place(module, eight)
    observe(module, lambda batch: module(*batch), batches)


def place(module: fx.GraphModule, eight: Collection[str]) -> None:
    """Let the nodes of `module` named in `eight` compute in eight bits, in place; ranges are still empty."""
    graph, container = module.graph, _free(module)
    nodes: list[fx.Node] = []
    for node in graph.nodes:
        if node.name in eight or (is_slice(node) and node.args[0] in nodes):
            nodes.append(node)
    rounded: dict[fx.Node, str] = {}

    def name_for(node: fx.Node) -> str:
        source = node.all_input_nodes[0] if keeps_grid(module, node) else node
        return rounded.get(source, f"{container}.{node.name}")

    outputs = rounded_outputs(module, nodes, {node: node.users for node in nodes})
    for node in list(graph.nodes):
        if node in outputs:
            name = name_for(node)
            rounded[_insert(module, node, name, [*node.users])] = name
        elif node.op != "get_attr":
            by = [user for user in node.users if user in nodes and not absorbs(module, user, node)]
            if by and node not in nodes:
                _insert(module, node, f"{container}.{node.name}", by)
    for node in nodes:
        layer = module_of(module, node)
        if layer is not None and can_be_in_eight_bits(layer):
            module.set_submodule(str(node.target), in_eight_bits(layer))
    graph.lint()
    recompile(module)


def _free(module: nn.Module) -> str:
    name = "ranges"
    while hasattr(module, name):
        name += "_"
    return name


def _insert(module: fx.GraphModule, node: fx.Node, name: str, readers: Sequence[fx.Node]) -> fx.Node:
    """Round the output of `node` for its `readers`, and return the node that does."""
    container, _, own = name.rpartition(".")
    if not hasattr(module, container):
        module.add_module(container, nn.Module())
    holder = module.get_submodule(container)
    if not hasattr(holder, own):
        holder.add_module(own, FakeQuantize())
    with module.graph.inserting_after(node):
        made = module.graph.call_module(name, (node,))
    for reader in readers:
        reader.replace_input_with(node, made)
    return made


@torch.no_grad()
def observe(
    module: nn.Module, forward: Callable[[Sequence[Tensor]], object], batches: Sequence[Sequence[Tensor]]
) -> None:
    """Take the ranges of all fake quantisation in `module` over `batches`; weights are rounded, activations are not."""
    found = [one for one in module.modules() if isinstance(one, FakeQuantize)]
    training = module.training
    module.eval()
    for one in found:
        one.low.zero_()
        one.high.zero_()
        one.observing = True
    try:
        for batch in batches:
            forward(batch)
    finally:
        for one in found:
            one.observing = False
        module.train(training)
    for network in module.modules():
        if isinstance(network, fx.GraphModule):
            _balance(network)


def _balance(module: fx.GraphModule) -> None:
    """Widen the range of what is next to nothing beside the sum that it is added to.

    XNNPACK adds numbers of which one step is between 1/1024 and 256 of one of the sum's. Finer ones are lost in the sum
    anyway.
    """
    for node in module.graph.nodes:
        after = next(iter(node.users), None) if is_sum(node) else None
        after = next(iter(after.users), None) if after is not None and clips(module, after) else after
        total = _rounding(module, after)
        if total is None:
            continue
        least = total.grid.scale / FINEST
        for own in (_rounding(module, source) for source in node.all_input_nodes):
            if own is not None and own.grid.scale < least:
                own.low.mul_(least / own.grid.scale)
                own.high.copy_(torch.maximum(own.high, own.low + least * STEPS))


def _rounding(module: nn.Module, node: fx.Node | None) -> FakeQuantize | None:
    called = None if node is None else module_of(module, node)
    return called if isinstance(called, FakeQuantize) else None
