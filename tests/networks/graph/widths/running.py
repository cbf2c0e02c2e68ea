"""Two ways to run a captured network with part of its units: on these alone, or on all with the others masked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.graph.capture.capture import Captured, capture
from archdial.networks.graph.capture.outputs import tensors_of
from archdial.networks.graph.widths.cut import cut, cut_tensor, masked, masked_tensor
from archdial.networks.graph.widths.found import find_widths
from archdial.networks.graph.widths.widths import Widths


def found_in(model: nn.Module, example: Any, outputs: Any = None, **options: Any) -> tuple[Captured, Widths]:
    torch.manual_seed(0)
    captured = capture(model.eval(), example, outputs=outputs)
    return captured, find_widths(captured, **options)


def sliced(captured: Captured, widths: Widths, inputs: Sequence[Tensor], counts: Sequence[int]) -> Any:
    """Return the outputs of the network on the first counts[g] units of each group."""

    def run(node: fx.Node, value: Any) -> Any:
        args, kwargs = widths.arguments(node, counts)
        module = captured.root.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is not None and node in widths.held:
            module = cut(module, widths.held[node], counts)
        return _called(node, module, fx.node.map_arg(args, value), fx.node.map_arg(kwargs, value))

    def attribute(node: fx.Node, tensor: Any) -> Any:
        return cut_tensor(tensor, widths.axes[node], counts) if node in widths.axes else tensor

    return _interpreted(captured, inputs, run, attribute)


def with_masks(captured: Captured, widths: Widths, inputs: Sequence[Tensor], counts: Sequence[int]) -> Any:
    """Return the outputs of the network on all units, those that sliced has not being masked where they are read."""
    masks = [(torch.arange(group.units) < count).float() for group, count in zip(widths.groups, counts, strict=True)]

    def run(node: fx.Node, value: Any) -> Any:
        module = captured.root.get_submodule(str(node.target)) if node.op == "call_module" else None
        if module is not None and node in widths.contracted:
            module = masked(module, widths.held[node], widths.contracted[node], masks)
        return _called(node, module, fx.node.map_arg(node.args, value), fx.node.map_arg(node.kwargs, value))

    def attribute(node: fx.Node, tensor: Any) -> Any:
        dims = widths.contracted.get(node, {}).get("")
        return masked_tensor(tensor, widths.axes[node], masks, dims) if dims else tensor

    return _interpreted(captured, inputs, run, attribute)


def _interpreted(captured: Captured, inputs: Sequence[Tensor], run: Any, attribute: Any) -> Any:
    values: dict[fx.Node, Any] = {}
    given = iter(inputs)
    for node in captured.graph.nodes:
        if node.op == "placeholder":
            values[node] = next(given)
        elif node.op == "get_attr":
            path, _, name = str(node.target).rpartition(".")
            values[node] = attribute(node, getattr(captured.root.get_submodule(path), name))
        elif node.op == "output":
            return tensors_of(fx.node.map_arg(node.args[0], values.__getitem__))
        else:
            values[node] = run(node, values.__getitem__)
    raise AssertionError("a graph without outputs")


def _called(node: fx.Node, module: nn.Module | None, args: Any, kwargs: Any) -> Any:
    if module is not None:
        return module(*args, **kwargs)
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    return node.target(*args, **kwargs)


@torch.no_grad()
def largest_difference(captured: Captured, widths: Widths, example: Any, trials: int = 3) -> float:
    """Return how far sliced networks are from masked ones, over the largest output, at the worst of some counts."""
    draw, worst = random.Random(1), 0.0
    inputs = captured.calling.flat(example)
    for _ in range(trials):
        counts = [draw.randint(1, group.units) for group in widths.groups]
        one = sliced(captured, widths, inputs, counts)
        other = with_masks(captured, widths, inputs, counts)
        for a, b in zip(one, other, strict=True):
            worst = max(worst, float((a - b).abs().max() / b.abs().max().clamp_min(1e-6)))
    return worst
