"""Nodes run in eight bits: their inputs, weights and outputs rounded on the way, ranges taken from each batch."""

from __future__ import annotations

from collections import ChainMap, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor, fx, nn

from archdial.networks.eight_bits.fake import rounded
from archdial.networks.eight_bits.following import is_layer
from archdial.networks.eight_bits.layers import in_eight_bits
from archdial.networks.eight_bits.placing import rounded_outputs
from archdial.networks.graph.steps import Seen, Step, behind


class InEightBits(Seen):
    """A network of which some layers round their weights."""

    def __init__(self, seen: Seen, eight: Collection[fx.Node]) -> None:
        super().__init__(seen.root)
        self._seen, self._eight = seen, eight

    def module(self, node: fx.Node) -> nn.Module:
        """Return the module that `node` calls."""
        found = self._seen.module(node)
        return in_eight_bits(found) if node in self._eight and is_layer(self.root, node) else found

    def attribute(self, node: fx.Node) -> Any:
        """Return what `node` reads."""
        return self._seen.attribute(node)

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `node`."""
        return self._seen.arguments(node)


class Rounding:
    """One run of a network, some nodes of which compute in eight bits.

    Args:
        seen: the network as its steps find it.
        eight: the nodes in eight bits.
        steps: all that run.
        stands_for: what takes the place of what is dropped.
    """

    def __init__(
        self, seen: Seen, eight: Sequence[fx.Node], steps: Sequence[Step], stands_for: Mapping[fx.Node, fx.Node]
    ) -> None:
        self._plain, self._seen, self._stands_for = seen, InEightBits(seen, set(eight)), stands_for
        readers: dict[fx.Node, list[fx.Node]] = defaultdict(list)
        for step in steps:
            for source in step.inputs:
                readers[behind(source, stands_for)].append(step.node)
        self._eight = set(eight)
        self._outputs = set(rounded_outputs(seen.root, eight, readers))
        self._inputs: dict[fx.Node, Any] = {}

    def __call__(self, step: Step, values: Mapping[fx.Node, Any]) -> Any:
        """Return what `step` gives, from `values` of the nodes before it."""
        if step.node not in self._eight:
            return step(self._plain, values, self._stands_for)
        result = step(self._seen, self._read(step, values), self._stands_for)
        return rounded(result) if step.node in self._outputs else result

    def _read(self, step: Step, values: Mapping[fx.Node, Any]) -> Mapping[fx.Node, Any]:
        for source in {behind(one, self._stands_for) for one in step.inputs} - self._eight - self._inputs.keys():
            value = values[source]
            self._inputs[source] = rounded(value) if isinstance(value, Tensor) else value
        return ChainMap(self._inputs, values)  # type: ignore[arg-type]


def in_both(step: Step, seen: Seen, values: Mapping[fx.Node, Any]) -> tuple[Tensor, Tensor]:
    """Return what the layer of `step` gives in float, and in eight bits."""
    own = {source: rounded(values[source]) for source in step.inputs}
    eight = step(InEightBits(seen, {step.node}), own, {})
    return step(seen, values, {}), rounded(eight)
