"""The nodes of a graph as consecutive steps, and who still reads their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import fx, nn

from archdial.networks.standalone import attribute_of


class Seen:
    """A network as its steps find it; what runs at other widths finds narrower modules."""

    def __init__(self, root: nn.Module) -> None:
        self.root = root

    def module(self, node: fx.Node) -> nn.Module:
        """Return the module that `node` calls."""
        return self.root.get_submodule(str(node.target))

    def attribute(self, node: fx.Node) -> Any:
        """Return what `node`, which reads an attribute, gives."""
        return attribute_of(self.root, str(node.target))

    def arguments(self, node: fx.Node) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of `node`, with nodes where values go."""
        return node.args, node.kwargs


class Step:
    """One node, ready to run."""

    def __init__(self, node: fx.Node) -> None:
        self.node = node
        self.inputs = tuple(node.all_input_nodes)

    def __call__(self, seen: Seen, values: Mapping[fx.Node, Any], stands_for: Mapping[fx.Node, fx.Node]) -> Any:
        """Return what the node gives in the network as it is `seen`, from `values` of the nodes before it."""
        node = self.node

        def value(source: fx.Node) -> Any:
            return values[behind(source, stands_for)]

        if node.op == "get_attr":
            return seen.attribute(node)
        own, named = seen.arguments(node)
        args, kwargs = fx.node.map_arg(own, value), fx.node.map_arg(named, value)
        if node.op == "call_module":
            return seen.module(node)(*args, **kwargs)
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        return node.target(*args, **kwargs)  # type: ignore[operator]


def behind(node: fx.Node, stands_for: Mapping[fx.Node, fx.Node]) -> fx.Node:
    """Return what `node` is where something stands for it."""
    while node in stands_for:
        node = stands_for[node]
    return node


class Uses:
    """Who still reads what, so that a tensor is let go as soon as nobody does."""

    def __init__(
        self, steps: Sequence[Step], outputs: Iterable[fx.Node], stands_for: Mapping[fx.Node, fx.Node]
    ) -> None:
        self._stands_for = stands_for
        self._count: dict[fx.Node, int] = {behind(output, stands_for): 1 for output in outputs}
        for step in steps:
            for source in step.inputs:
                real = behind(source, stands_for)
                self._count[real] = self._count.get(real, 0) + 1

    def forget(self, step: Step, values: dict[fx.Node, Any]) -> None:
        """Let go of what nobody reads once `step` is done."""
        for source in step.inputs:
            real = behind(source, self._stands_for)
            self._count[real] -= 1
            if not self._count[real]:
                del values[real]
