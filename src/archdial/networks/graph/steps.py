"""The nodes of a graph as steps that run one after another, and who still reads what they left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import fx, nn


class Step:
    """One node, ready to run."""

    def __init__(self, root: nn.Module, node: fx.Node) -> None:
        self.node, self._root = node, root
        self.inputs = tuple(node.all_input_nodes)

    def __call__(self, values: Mapping[fx.Node, Any], stands_for: Mapping[fx.Node, fx.Node]) -> Any:
        """Return what the node gives, from `values` of the nodes before it."""
        node = self.node

        def value(source: fx.Node) -> Any:
            return values[behind(source, stands_for)]

        if node.op == "get_attr":
            path, _, name = str(node.target).rpartition(".")
            return getattr(self._root.get_submodule(path), name)
        args, kwargs = fx.node.map_arg(node.args, value), fx.node.map_arg(node.kwargs, value)
        if node.op == "call_module":
            return self._root.get_submodule(str(node.target))(*args, **kwargs)
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
