"""What each node of a gated network costs, in place: on the tensors that flow through it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.nn.modules.conv import _ConvNd

from archdial.networks.base import Part, TermPlan
from archdial.networks.gated.capture import BATCH, Flow
from archdial.networks.gated.choices import DROP, KEEP, OPTIONS
from archdial.networks.gated.grain import strided, thinned
from archdial.networks.gated.need import Condition, Needs, runs
from archdial.space import EITHER

REST = "parameters outside of operations"


class Rest(nn.Module):
    """Holds parameters that no priced node owns, and does nothing."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.held = nn.ParameterList(parameters)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the input."""
        return inputs


def part_of(root: nn.Module, node: fx.Node, flow: Flow, grain: int = 1) -> Part | None:
    """Return what `node` alone runs, with the tensors of one input that flow into it; None for what costs nothing.

    With a `grain` above 1 it is computed at every so manieth pixel in height and width.
    """
    sources = [source for source in node.all_input_nodes if source.op != "get_attr"]
    if node.op in {"placeholder", "output", "get_attr"} or not sources:
        return None
    # A view by the size of the batch, which is a number and no tensor, moves nothing.
    if not all(isinstance(flow[one], Tensor) for one in (*sources, node)):
        return None
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else _function(root, node, sources)
    if type(module) is nn.Identity:
        return None
    tensors = {source: flow[source] for source in node.all_input_nodes}
    if isinstance(module, nn.Conv2d):
        module = strided(module, grain)
    else:
        tensors = {source: thinned(tensor, grain) for source, tensor in tensors.items()}
    inputs = tuple(tensors[source] for source in sources)
    shapes = "+".join(_layout(source, tensor) for source, tensor in tensors.items())
    dimensions = tuple(source.meta.get(BATCH) for source in sources)
    key = f"{_kind(module, node)}/{_what(module, node)}/{shapes}"
    return Part(key, module, tuple(inputs[0].shape[1:]), inputs, dimensions)


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


@dataclass(frozen=True)
class _Piece:
    """What a node may run: under each condition the part, finest first; the first that holds counts."""

    cases: tuple[tuple[Condition, Part], ...]

    @property
    def rows(self) -> frozenset[int]:
        """Choices on which it depends."""
        return frozenset().union(*(term for condition, _ in self.cases for term in condition))

    @property
    def parameters(self) -> set[nn.Parameter]:
        """Those of its module, whatever its grain."""
        return {parameter for _, part in self.cases for parameter in part.module.parameters()}


def term_plans(root: nn.Module, flow: Flow, needs: Mapping[fx.Node, Needs], names: Sequence[str]) -> list[TermPlan]:
    """Return the terms of the cost: what depends on the same choices is one term over them.

    Args:
        root: owner of the modules.
        flow: the captured network's nodes with their tensors.
        needs: when, and how coarsely, each node runs, by numbers of choices.
        names: of the choices.
    """
    grouped: dict[frozenset[int], list[_Piece]] = defaultdict(list)
    pieces = {node: piece for node, found in needs.items() if (piece := _piece(root, node, flow, found)) is not None}
    for rows, together in _rows_together([*pieces.values(), *_rest(root, flow, pieces.values(), needs)]):
        grouped[rows] += together
    return [_plan(sorted(rows), members, names) for rows, members in grouped.items()]


def _piece(root: nn.Module, node: fx.Node, flow: Flow, needs: Needs) -> _Piece | None:
    parts = {grain: part_of(root, node, flow, grain) for grain in needs}
    cases = tuple((needs[grain], part) for grain, part in parts.items() if part is not None)
    return _Piece(cases) if cases else None


def _rows_together(pieces: Sequence[_Piece]) -> list[tuple[frozenset[int], list[_Piece]]]:
    """Return the pieces of one term with its choices; what shares a parameter shares a term, or it counts twice."""
    groups: list[tuple[set[nn.Parameter], list[_Piece]]] = []
    for piece in pieces:
        owned, together = piece.parameters, [piece]
        apart = []
        for others, members in groups:
            if owned & others:
                owned, together = owned | others, members + together
            else:
                apart.append((others, members))
        groups = [*apart, (owned, together)]
    return [(frozenset().union(*(piece.rows for piece in members)), members) for _, members in groups]


def _rest(root: nn.Module, flow: Flow, pieces: Iterable[_Piece], needs: Mapping[fx.Node, Needs]) -> Iterator[_Piece]:
    """Yield the parameters that are read and that no piece owns."""
    owned: set[nn.Parameter] = set().union(*(piece.parameters for piece in pieces))
    first = next(node for node in flow if node.op == "placeholder")
    inputs, dimensions = (flow[first],), (first.meta.get(BATCH),)
    for node, found in needs.items():
        if node.op == "get_attr" and isinstance(held := _held(root, node), nn.Parameter) and held not in owned:
            yield _Piece(((runs(found), Part(REST, Rest([held]), tuple(flow[first].shape[1:]), inputs, dimensions)),))


def _held(root: nn.Module, node: fx.Node) -> Any:
    path, _, name = str(node.target).rpartition(".")
    return getattr(root.get_submodule(path), name)


def _plan(rows: list[int], pieces: Sequence[_Piece], names: Sequence[str]) -> TermPlan:
    entries = {}
    for known, parts in _decided(pieces, {}):
        entries[tuple(_option(known.get(row)) for row in rows)] = parts
    return TermPlan(tuple(names[row] for row in rows), entries)


def _option(kept: bool | None) -> str:
    return EITHER.join(OPTIONS) if kept is None else KEEP if kept else DROP


def _decided(
    pieces: Sequence[_Piece], known: Mapping[int, bool]
) -> Iterator[tuple[Mapping[int, bool], tuple[Part, ...]]]:
    """Yield, for sets of choices known as kept or dropped that exclude each other, what runs under them, if anything.

    A choice is asked about only where what runs still depends on it: a network's end is seldom over all its choices.
    """
    found = [_running(piece, known) for piece in pieces]
    row = next((one for one in found if isinstance(one, int)), None)
    if row is not None:
        for kept in (True, False):
            yield from _decided(pieces, {**known, row: kept})
    elif parts := tuple(one for one in found if isinstance(one, Part)):
        yield known, parts


def _running(piece: _Piece, known: Mapping[int, bool]) -> Part | int | None:
    """Return the part that runs, None if none does, or the choice to ask about."""
    for condition, part in piece.cases:
        open_terms = [term for term in condition if all(known.get(row, True) for row in term)]
        unknown = [sorted(row for row in term if row not in known) for term in open_terms]
        if [] in unknown:
            return part
        if unknown:
            # What stands last in the shortest term decides soonest: a fifth of the entries that any order gives.
            return max(min(unknown, key=len))
    return None
