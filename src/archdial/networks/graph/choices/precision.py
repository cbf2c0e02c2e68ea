"""A precision: in how many bits a layer computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import fx, nn

from archdial.networks.eight_bits.layers import can_be_in_eight_bits
from archdial.networks.graph.capture.capture import Captured
from archdial.networks.graph.choices.choice import GraphChoice
from archdial.networks.graph.choices.droppable import Operation
from archdial.networks.graph.choices.kinds import CONVOLUTION, LINEAR, kind_of
from archdial.networks.node_names import module_of
from archdial.space import Choice

FLOAT, EIGHT = "float32", "int8"
OPTIONS = (FLOAT, EIGHT)
SUFFIX = ".precision"


@dataclass(frozen=True)
class Quantizable:
    """A layer that may compute in eight bits.

    Attributes:
        layer: path of its module.
        kind: as convolution or linear.
        node: the node that calls it, and no other does.
    """

    layer: str
    kind: str
    node: fx.Node

    @property
    def name(self) -> str:
        """By which the user calls it."""
        return self.layer + SUFFIX


@dataclass(frozen=True)
class Precision(GraphChoice):
    """Layers that compute in the same bits: float32 or int8."""

    name: str
    layers: tuple[Quantizable, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:  # type: ignore[override]
        """Nothing is dropped."""
        return ()

    @property
    def nodes(self) -> tuple[fx.Node, ...]:
        """The nodes that call its layers."""
        return tuple(layer.node for layer in self.layers)

    @property
    def kind(self) -> str:
        """The kind of the layers; of several kinds that of the first."""
        return self.layers[0].kind

    @property
    def choice(self) -> Choice:
        """Float or eight bits, as a choice of a space."""
        return Choice(self.name, OPTIONS, OPTIONS)

    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Precision:
        """Return it as it stands on the `copies` of its nodes."""
        return replace(self, layers=tuple(replace(layer, node=copies[layer.node]) for layer in self.layers))

    @property
    def meaning(self) -> str:
        """What its least option makes of the layers."""
        return EIGHT


def find_quantizable(captured: Captured) -> tuple[Quantizable, ...]:
    """Return the layers that may compute in eight bits, in the order in which they run."""
    called: dict[str, list[fx.Node]] = {}
    for node in captured.graph.nodes:
        if node.op == "call_module":
            called.setdefault(str(node.target), []).append(node)
    found = []
    for name, nodes in called.items():
        module = module_of(captured.root, nodes[0])
        plain = len(nodes) == 1 and name not in captured.opaque and nodes[0].args and not nodes[0].kwargs
        if plain and can_be_in_eight_bits(module) and _reads_what_flows(nodes[0]):
            found.append(Quantizable(name, str(kind_of(nodes[0], module)), nodes[0]))
    return tuple(found)


def kept_in_float(root: nn.Module, graph: fx.Graph, choices: Sequence[GraphChoice]) -> tuple[str, ...]:
    """Return the convolutions and linear layers that none of `choices` has in eight bits; none where none is in any."""
    covered = {node for choice in choices for node in choice.nodes}
    found = []
    for node in graph.nodes if covered else ():
        kind = kind_of(node, module_of(root, node))
        if node not in covered and kind in {CONVOLUTION, LINEAR}:
            found.append(str(node.target) if node.op == "call_module" else node.name)
    return tuple(dict.fromkeys(found))


def _reads_what_flows(node: fx.Node) -> bool:
    source = node.args[0]
    return isinstance(source, fx.Node) and source.op != "get_attr"


def precisions(found: Mapping[str, Sequence[Quantizable]]) -> list[Precision]:
    """Return a choice for each name of layers."""
    return [Precision(name, tuple(layers)) for name, layers in found.items()]
