"""The cost of each node of a gated network, on the tensors that flow through it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd

from archdial.networks.graph.bits import Bits
from archdial.networks.graph.capture.capture import BATCH, SETTLED
from archdial.networks.graph.grain import strided, thinned
from archdial.networks.graph.integer_parts import border, in_integers
from archdial.networks.graph.merging import drawn, outline
from archdial.networks.graph.sizes import WHOLE, Sized, Sizes
from archdial.networks.supernet import Part

REST = "parameters outside of operations"


class Rest(nn.Module):
    """Holds parameters that no priced node owns, and does nothing."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.held = nn.ParameterList(parameters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the input."""
        return inputs


class Pricing:
    """What the nodes of a network cost, under the options that settle how wide they are."""

    def __init__(self, sizes: Sizes, bits: Bits) -> None:
        self._sizes, self.bits = sizes, bits
        # What equal work on equal shapes is run on is held once, however many nodes do it.
        self._inputs: dict[str, tuple[Tensor, ...]] = {}
        self._families: dict[tuple[fx.Node, int], str] = {}
        self._merged: dict[str, Part] = {}

    def rows(self, node: fx.Node) -> frozenset[int]:
        """Return the choices that settle how wide what `node` reads, holds or gives is."""
        return self._sizes.rows(node)

    def told_apart(self, row: int, options: Sequence[int], node: fx.Node) -> tuple[frozenset[int], ...]:
        """Return `options` of a choice in sets under which `node` is equally wide."""
        return self._sizes.told_apart(row, options, node)

    def part(
        self, node: fx.Node, grain: int = 1, options: Mapping[int, int] = WHOLE, *, eight: bool = False
    ) -> Part | None:
        """Return what `node` runs, with the tensors of one input that flow into it; None for what costs nothing.

        Args:
            node: of the captured graph.
            grain: above 1 it is computed at every so manieth pixel in height and width.
            options: taken at choices that settle widths; all others are whole.
            eight: whether it computes in eight bits.
        """
        if eight and self.bits.is_free(node):
            return None
        found = self._in_float(node, grain, options)
        if found is None or not eight:
            return found
        return in_integers(found, biased=self.bits.is_folded_into(node))

    def _in_float(self, node: fx.Node, grain: int, options: Mapping[int, int]) -> Part | None:
        sized = self._sizes.at(options)
        found = part_of(sized, node, grain)
        if found is None or not (sizes := sized.sizes(node)):
            return found
        inputs = self._inputs.setdefault(found.key, found.inputs)
        return replace(found, inputs=inputs, family=self._family(node, grain), sizes=sizes)

    def _family(self, node: fx.Node, grain: int) -> str:
        """Return what `node` does at full width: what does the same there differs in sizes alone."""
        if (node, grain) not in self._families:
            whole = part_of(self._sizes.at(WHOLE), node, grain)
            assert whole is not None
            self._families[node, grain] = whole.key
        return self._families[node, grain]

    def merged(self, nodes: Sequence[fx.Node], options: Mapping[int, int] = WHOLE) -> Part | None:
        """Return the one layer that does what those of `nodes` do in a row, on what flows into the first; None if none.

        Its weights are drawn: to compute those that it would have takes seconds for some.
        """
        sized, source = self._sizes.at(options), nodes[0].all_input_nodes[0]
        tensor = sized.tensor(source)
        layer = outline([sized.module(node) for node in nodes], tensor.dim())
        if layer is None:
            return None
        key = f"{_kind(layer, nodes[0])}/{_what(layer, nodes[0], (), {})}/{_layout(source, tensor)}"
        if key not in self._merged:
            layer = drawn(layer, sized.module(nodes[0]))
            self._merged[key] = Part(key, layer, tuple(tensor.shape[1:]), (tensor,), (source.meta.get(BATCH),))
        return self._merged[key]

    def border(self, source: fx.Node, options: Mapping[int, int], *, into: bool) -> Part:
        """Return what takes the output of `source` into eight bits, or back from there."""
        tensor = self._sizes.at(options).tensor(source)
        return border(tensor, _layout(source, tensor), source.meta.get(BATCH), into=into)

    def held(self, node: fx.Node) -> nn.Parameter | None:
        """Return the parameter that `node` reads; None if it reads none."""
        found = self._sizes.at(WHOLE).attribute(node) if node.op == "get_attr" else None
        return found if isinstance(found, nn.Parameter) else None

    def rest(self, node: fx.Node, options: Mapping[int, int]) -> Part:
        """Return the parameter that `node` reads as a part that does nothing."""
        sized = self._sizes.at(options)
        first = next(one for one in sized.flow if one.op == "placeholder")
        inputs = (sized.flow[first],)
        return Part(REST, Rest([sized.attribute(node)]), tuple(inputs[0].shape[1:]), inputs, (first.meta.get(BATCH),))


def part_of(sized: Sized, node: fx.Node, grain: int = 1) -> Part | None:
    """Return what `node` alone runs in a network of some widths; None for what costs nothing."""
    flow = sized.flow
    sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
    if node.op == "call_module" and not sources:
        # What works on constants alone, as an embedding of positions, has its own parameters all the same.
        sources = list(node.all_input_nodes)
    if node.op in {"placeholder", "output", "get_attr"} or not sources:
        return None
    # Lengths are numbers like those in the code. A view by the size of the batch moves nothing, nor does taking out of
    # a tuple.
    settled = {one: flow[one] for one in sources if one.meta.get(SETTLED) and isinstance(flow[one], int | float)}
    sources = [one for one in sources if one not in settled and not isinstance(flow[one], torch.device)]
    if not sources or not all(isinstance(flow[one], Tensor) for one in sources) or not _gives_tensors(flow[node]):
        return None
    module = _module(sized, node, sources, settled)
    if type(module) is nn.Identity:
        return None
    tensors = {one: sized.tensor(one) for one in node.all_input_nodes if isinstance(flow[one], Tensor)}
    if isinstance(module, nn.Conv2d) and grain > 1:
        module = strided(module, grain)
    else:
        tensors = {source: thinned(tensor, grain) for source, tensor in tensors.items()}
    inputs = tuple(tensors[source] for source in sources)
    wrapped = node.op == "call_module" and isinstance(module, fx.GraphModule)
    own = sized.module(node) if wrapped else module
    shapes = "+".join(_layout(source, tensor) for source, tensor in tensors.items())
    dimensions = tuple(source.meta.get(BATCH) for source in sources)
    lengths = f"/{'x'.join(map(str, settled.values()))}" if settled else ""
    key = f"{_kind(own, node)}/{_what(own, node, *sized.arguments(node))}/{shapes}{lengths}"
    return Part(key, module, tuple(inputs[0].shape[1:]), inputs, dimensions)


def _gives_tensors(value: Any) -> bool:
    """Tell whether a node gives a tensor, or several, as recurrent layers and attention do."""
    if isinstance(value, tuple | list):
        return any(isinstance(one, Tensor) for one in value)
    return isinstance(value, Tensor)


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


def _what(module: nn.Module, node: fx.Node, args: Any, kwargs: Any) -> str:
    if node.op != "call_module":
        return f"{node.target}{_settings(args)}{_settings(kwargs)}"
    # The text of a module of torch tells all that its time depends on; that of another, derived or not, may not.
    torchs = type(module).__module__.startswith("torch.nn.modules")
    return repr(module) if torchs else f"{type(module).__name__} {node.target}"


def _settings(value: Any) -> str:
    return str(fx.node.map_arg(value, lambda node: "·"))


def _module(
    sized: Sized, node: fx.Node, sources: Sequence[fx.Node], settled: Mapping[fx.Node, int | float]
) -> nn.Module:
    """Return what takes the tensors of `sources` by position, and does what `node` does."""
    if node.op == "call_module" and node.args == tuple(sources) and not node.kwargs:
        return sized.module(node)
    graph = fx.Graph()
    copies = {source: graph.placeholder(f"input_{number}") for number, source in enumerate(sources)}
    owned: dict[str, Any] = {str(node.target): sized.module(node)} if node.op == "call_module" else {}
    for source in node.all_input_nodes:
        if source.op == "get_attr" and source not in copies:
            copies[source] = graph.get_attr(str(source.target))
            owned[str(source.target)] = sized.attribute(source)
        elif source not in copies and source not in settled:
            # A device: what is made is made where that is which flows in.
            copies[source] = graph.call_function(getattr, (copies[sources[0]], "device"))
    known: dict[fx.Node, Any] = {**copies, **settled}
    made = graph.node_copy(node, known.__getitem__)
    made.args, made.kwargs = fx.node.map_arg(sized.arguments(node), known.__getitem__)
    graph.output(made)
    return fx.GraphModule(owned, graph)
