"""What each node of a gated network costs, in place: on the tensors that flow through it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd

from archdial.networks.base import Part, TermPlan
from archdial.networks.gated.capture import BATCH, Flow
from archdial.networks.gated.choices import DROP, KEEP
from archdial.networks.gated.need import Condition, holds

REST = "parameters outside of operations"


class Rest(nn.Module):
    """Holds parameters that no priced node owns, and does nothing."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.held = nn.ParameterList(parameters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the input."""
        return inputs


def part_of(root: nn.Module, node: fx.Node, flow: Flow) -> Part | None:
    """Return what `node` alone runs, with the tensors of one input that flow into it; None for what costs nothing."""
    sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
    tensors = tuple(flow[source] for source in sources)
    if node.op in {"placeholder", "output", "get_attr"} or not sources:
        return None
    if node.op == "call_module" and type(root.get_submodule(str(node.target))) is nn.Identity:
        return None
    # A view by the size of the batch, which is a number and no tensor, moves nothing.
    if not all(isinstance(tensor, Tensor) for tensor in tensors) or not isinstance(flow[node], Tensor):
        return None
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else _function(root, node, sources)
    shapes = "+".join(_layout(source, flow[source]) for source in node.all_input_nodes)
    dimensions = tuple(source.meta.get(BATCH) for source in sources)
    return Part(
        f"{_kind(module, node)}/{_what(module, node)}/{shapes}",
        module,
        tuple(tensors[0].shape[1:]),
        tensors,
        dimensions,
    )


def _layout(source: fx.Node, tensor: Tensor) -> str:
    """Return shape and order in memory; a parameter is told from what flows."""
    shape = "x".join(map(str, tensor.shape))
    order = ",".join(map(str, tensor.stride()[1:]))
    return f"={shape}" if source.op == "get_attr" else f"{shape}({order})"


def _kind(module: nn.Module, node: fx.Node) -> str:
    if node.op != "call_module":
        return str(node.target)
    name = type(module).__name__
    if not isinstance(module, _ConvNd):
        return name
    size = "x".join(map(str, module.kernel_size))
    return f"{name} {size} depthwise" if module.groups == module.in_channels > 1 else f"{name} {size}"


def _what(module: nn.Module, node: fx.Node) -> str:
    if node.op != "call_module":
        return f"{node.target}{_settings(node.args)}{_settings(node.kwargs)}"
    # The text of a module of torch tells all that its time depends on; that of another, derived or not, may not.
    torchs = type(module).__module__.startswith("torch.nn.modules")
    return repr(module) if torchs else f"{type(module).__name__} {node.target}"


def _settings(value: Any) -> str:
    return str(fx.node.map_arg(value, lambda node: "·"))


def _function(root: nn.Module, node: fx.Node, sources: Sequence[fx.Node]) -> fx.GraphModule:
    graph = fx.Graph()
    copies = {source: graph.placeholder(f"input_{number}") for number, source in enumerate(sources)}
    for source in node.all_input_nodes:
        if source not in copies:
            copies[source] = graph.get_attr(str(source.target))
    graph.output(graph.node_copy(node, copies.__getitem__))
    return fx.GraphModule(root, graph)


def term_plans(
    root: nn.Module, flow: Flow, conditions: Mapping[fx.Node, Condition], names: Sequence[str]
) -> list[TermPlan]:
    """Return the terms of the cost: what runs under one condition is one term over the choices that it names.

    Args:
        root: owner of the modules.
        flow: the captured network's nodes with their tensors.
        conditions: when each node runs, by numbers of choices.
        names: of the choices.
    """
    grouped: dict[frozenset[int], list[tuple[Condition, Part]]] = defaultdict(list)
    parts = {node: part for node in conditions if (part := part_of(root, node, flow)) is not None}
    parts |= _rest(root, flow, parts, conditions)
    rows = _rows_together(conditions, parts)
    for node, part in parts.items():
        if conditions[node]:
            grouped[rows[node]].append((conditions[node], part))
    return [_plan(sorted(numbers), members, names) for numbers, members in grouped.items()]


def _rows_together(
    conditions: Mapping[fx.Node, Condition], parts: Mapping[fx.Node, Part]
) -> dict[fx.Node, frozenset[int]]:
    """Return for each node the choices of its term; what shares a parameter shares a term, or it counts twice."""
    groups: list[tuple[set[nn.Parameter], list[fx.Node]]] = []
    for node, part in parts.items():
        owned, nodes = set(part.module.parameters()), [node]
        apart = []
        for others, members in groups:
            if owned & others:
                owned, nodes = owned | others, members + nodes
            else:
                apart.append((others, members))
        groups = [*apart, (owned, nodes)]
    rows = {}
    for _, nodes in groups:
        together = frozenset().union(*(term for node in nodes for term in conditions[node]))
        rows.update(dict.fromkeys(nodes, together))
    return rows


def _rest(
    root: nn.Module, flow: Flow, parts: Mapping[fx.Node, Part], conditions: Mapping[fx.Node, Condition]
) -> dict[fx.Node, Part]:
    """Return as parts the parameters that are read and that no part owns."""
    owned = {parameter for part in parts.values() for parameter in part.module.parameters()}
    first = next(node for node in flow if node.op == "placeholder")
    inputs, dimensions = (flow[first],), (first.meta.get(BATCH),)
    return {
        node: Part(REST, Rest([held]), tuple(flow[first].shape[1:]), inputs, dimensions)
        for node in conditions
        if node.op == "get_attr" and isinstance(held := _held(root, node), nn.Parameter) and held not in owned
    }


def _held(root: nn.Module, node: fx.Node) -> Any:
    path, _, name = str(node.target).rpartition(".")
    return getattr(root.get_submodule(path), name)


def _plan(rows: list[int], members: Sequence[tuple[Condition, Part]], names: Sequence[str]) -> TermPlan:
    entries = {}
    for options in itertools.product((KEEP, DROP), repeat=len(rows)):
        kept = [row for row, option in zip(rows, options, strict=True) if option == KEEP]
        parts = tuple(part for condition, part in members if holds(condition, kept))
        if parts:
            entries[options] = parts
    return TermPlan(tuple(names[row] for row in rows), entries)
