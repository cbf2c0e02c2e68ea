"""Which operations of a captured network can be dropped, and what that means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import Tensor, fx

from archdial.networks.graph.capture.capture import BATCH, Captured, Flow
from archdial.networks.graph.choices.branches import branch_at, name_of, scope
from archdial.networks.graph.choices.hooks import changes_output
from archdial.networks.graph.choices.kinds import BRANCH, kind_of
from archdial.networks.node_names import function_name, is_addition, module_of


@dataclass(frozen=True)
class Operation:
    """Something that may be dropped.

    Attributes:
        name: path of its module, or of the module in whose code it stands and its function.
        kind: as convolution or branch.
        node: the node that runs it; for a branch the addition at its end.
        passes: what takes its place, an input of `node`: that of the operation, or what a branch was added to.
        hooked: whether hooks on its module change what it gives; they go with it.
    """

    name: str
    kind: str
    node: fx.Node
    passes: fx.Node
    hooked: bool = False

    def moved(self, copies: Mapping[fx.Node, fx.Node]) -> Operation:
        """Return it as it stands on the `copies` of its nodes."""
        return replace(self, node=copies[self.node], passes=copies[self.passes])

    @property
    def is_branch(self) -> bool:
        """Whether dropping it makes a whole branch zero."""
        return self.kind == BRANCH

    @property
    def meaning(self) -> str:
        """What dropping it means, in a word."""
        return "zero" if self.is_branch else "identity"


def find_operations(captured: Captured) -> tuple[Operation, ...]:
    """Return what may be dropped, in the order in which it runs."""
    found: list[Operation] = []
    names = _Names()
    order = {node: place for place, node in enumerate(captured.graph.nodes)}
    for node in captured.graph.nodes:
        found += _alone(node, captured, names)
        if is_addition(node):
            found += _branch(node, captured, order, names)
    return tuple(found)


def _alone(node: fx.Node, captured: Captured, names: _Names) -> Iterator[Operation]:
    module = module_of(captured.root, node)
    kind = kind_of(node, module, opaque=str(node.target) in captured.opaque)
    source = _source(node, kind)
    if kind is None or source is None or not _stands_in(captured.flow, source, node):
        return
    path = str(node.target) if module is not None else f"{scope(node)}:{function_name(node)}".removeprefix(":")
    hooked = module is not None and changes_output(captured, node)
    yield Operation(names.new(path), kind, node, source, hooked)


def _source(node: fx.Node, kind: str | None) -> fx.Node | None:
    """Return the input that an operation works on; of attention the values."""
    place = 2 if kind == "attention" else 0
    source = node.args[place] if len(node.args) > place else None
    return source if isinstance(source, fx.Node) else None


def _branch(node: fx.Node, captured: Captured, order: dict[fx.Node, int], names: _Names) -> Iterator[Operation]:
    branch = branch_at(node, order)
    if branch is None:
        return
    if _stands_in(captured.flow, branch.other, node) and _alike(captured.flow, branch.end, node):
        yield Operation(names.new(name_of(branch, node)), BRANCH, node, branch.other)


def _alike(flow: Flow, source: fx.Node, result: fx.Node) -> bool:
    a, b = flow[source], flow[result]
    return isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape and a.dtype == b.dtype


def _stands_in(flow: Flow, source: fx.Node, result: fx.Node) -> bool:
    """Tell whether `source` may take the place of `result` in any batch: embeddings of positions are one for all."""
    return _alike(flow, source, result) and source.meta.get(BATCH) == result.meta.get(BATCH)


class _Names:
    """Names that occur a second time get a number: a module that is called twice is two operations."""

    def __init__(self) -> None:
        self._count: dict[str, int] = {}

    def new(self, name: str) -> str:
        number = self._count[name] = self._count.get(name, 0) + 1
        return name if number == 1 else f"{name}#{number}"
