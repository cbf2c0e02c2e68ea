"""From any network to a graph whose nodes call its own modules, and the tensors that flow through it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.common.errors import UsageError, first_line
from archdial.common.quiet import quiet_torch
from archdial.networks.calling import Calling, calling_of
from archdial.networks.example import Inputs
from archdial.networks.graph.capture.by_export import exported
from archdial.networks.graph.capture.by_tracing import Untraceable, traced
from archdial.networks.graph.capture.caches import copy_of, left_alone
from archdial.networks.graph.capture.compiled import as_python, with_own_forwards
from archdial.networks.graph.capture.constants import fold_constants
from archdial.networks.graph.capture.devices import follow_inputs
from archdial.networks.graph.capture.functional import make_functional, make_reshapes, remove_dead
from archdial.networks.graph.capture.leaves import is_leaf, is_torch_leaf
from archdial.networks.graph.capture.lengths import has_lengths, shorter
from archdial.networks.graph.capture.outputs import all_close, tensors_of
from archdial.networks.graph.capture.subject import Subject, one_of, three_of, two_of
from archdial.networks.graph.capture.unwrapped import told_of_weights, unwrapped
from archdial.networks.layout import laid_out, lay_out, layout
from archdial.networks.tracing_lock import TRACING
from archdial.tasks.parts import LOSS

Flow = dict[fx.Node, Any]
"""What each node gave for one input."""

BATCH = "batch_dimension"
"""Key of a node's meta: in which dimension of its tensor the inputs of a batch lie, or None."""

SETTLED = "settled"
"""Key of a node's meta: it gives a number that the size of the batch does not change."""


@dataclass(frozen=True)
class Captured:
    """A network as a graph.

    Attributes:
        root: a copy of the user's network, whose parameters and their names are its own.
        graph: nodes that call modules of `root`, or functions; its placeholders are called as `calling` names them.
        how: "export" or "trace".
        opaque: names of submodules that could not be entered, and stay one operation each.
        flow: what each node gives for one input (1, …), in evaluation mode.
        calling: how the network is called.
        outputs: names of the outputs that are kept, where the caller chose.
        left_out: names of the outputs that are not.
    """

    root: nn.Module
    graph: fx.Graph
    how: str
    opaque: tuple[str, ...]
    flow: Flow
    calling: Calling = field(default_factory=Calling)
    outputs: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()


def capture(model: nn.Module, example: Inputs, outputs: Sequence[str] | None = None) -> Captured:
    """Capture `model`, which is left as it was, by what it does to `example`: tensors (batch, …).

    torch.export first, torch.fx where it fails; either counts only if it gives the outputs of the model at another
    batch size too. One thread captures at a time; models that others call meanwhile go through the tracer of
    torch.export, which cannot be changed, and those of torch.compile may refuse to run.

    Args:
        example: one tensor, several in a tuple, or a dict of them by the names of the model's arguments.
        outputs: names of the outputs that are kept; see `outputs.chosen`.

    Raises:
        UsageError: `model` is no module, refuses the example, or can be captured in neither way.
    """
    if not isinstance(model, nn.Module):
        raise UsageError(f"a model of type {type(model).__name__}: expected a torch.nn.Module")
    model = with_own_forwards(unwrapped(model))
    calling, tensors = calling_of(example, model, labels=LOSS in (outputs or ()))
    with TRACING, as_python(), quiet_torch(), told_of_weights(model, tensors):
        wanted = outputs if outputs is None else tuple(outputs)
        subject = Subject(model, copy_of(model), calling, wanted, one_of(tensors))
        missing = subject.check(tensors)
        return replace(_captured(subject.without_caches(tensors)), left_out=missing)


def _captured(subject: Subject) -> Captured:
    faults: list[str] = []
    name = type(subject.model).__name__
    with_lengths = (True, False) if has_lengths(subject.one) else (False,)
    for leaf, lengths in itertools.product((is_leaf, is_torch_leaf), with_lengths):
        try:
            root = copy_of(subject.model)
            # A batch of one would be taken for a constant.
            two = two_of(subject.one)
            graph = exported(root, subject.calling, two, subject.outputs, leaf, lengths=lengths)
            found = _checked(subject, root, graph, "export", ())
            if lengths:
                _check_shorter(subject, found)
            return found
        except Exception as error:
            faults.append(f"torch.export: {first_line(error)}")
    try:
        root = copy_of(subject.model)
        # Where three is written into it, that does not show below; export has refused two.
        subject.run(two_of(subject.probe))
        graph, opaque = traced(root, subject.calling, subject.outputs, is_torch_leaf)
        return _checked(subject, root, graph, "trace", opaque)
    except Untraceable as error:
        raise UsageError(
            subject.fault()
            or f"{name} cannot be captured as a graph: it depends on values at {error}. Move that code into a "
            f"submodule, which then stays one operation ({faults[0]})"
        ) from error
    except Exception as error:
        raise UsageError(
            subject.fault()
            or f"{name} cannot be captured as a graph: {first_line(error)}. Move unsupported code into a submodule, "
            f"which then stays one operation ({faults[0]})"
        ) from error


def _checked(subject: Subject, root: nn.Module, graph: fx.Graph, how: str, opaque: tuple[str, ...]) -> Captured:
    make_functional(root, graph)
    make_reshapes(graph)
    remove_dead(graph)
    if any(tensor.dim() == 4 for tensor in subject.one):
        lay_out(root)
    flow = flow_of(root, graph, subject.one)
    own = {name for name, _ in subject.model.named_buffers()}
    fold_constants(root, graph, flow, frozenset(name for name, _ in root.named_buffers() if name not in own))
    follow_inputs(graph, flow)
    three = three_of(subject.probe)
    of_three = flow_of(root, graph, three)
    given = tensors_of(of_three[next(reversed(graph.nodes))])
    if not all_close(given, subject.run(three)):
        raise ValueError("the captured graph and the network give different outputs")
    for node in graph.nodes:
        node.meta[BATCH] = _batch_dimension(flow[node], of_three[node])
        node.meta[SETTLED] = isinstance(flow[node], int | float) and flow[node] == of_three[node]
    return Captured(root, graph, how, opaque, flow, subject.calling, subject.outputs)


def _check_shorter(subject: Subject, found: Captured) -> None:
    """Raise ValueError where the graph computes something else than the network at another length."""
    fewer = shorter(subject.probe)
    try:
        expected = subject.run(fewer)
    except Exception:
        # The network itself takes one length only.
        return
    given = tensors_of(flow_of(found.root, found.graph, fewer)[next(reversed(found.graph.nodes))])
    if not all_close(given, expected):
        raise ValueError("the captured graph and the network give different outputs at another length")


def _batch_dimension(one: Any, three: Any) -> int | None:
    """Return the dimension in which three inputs are three times as many; None for what is the same for any."""
    if not isinstance(one, Tensor) or one.shape == three.shape:
        return None
    grown = [number for number, (a, b) in enumerate(zip(one.shape, three.shape, strict=True)) if b == 3 * a != a]
    return grown[0] if grown else None


@torch.no_grad()
def flow_of(root: nn.Module, graph: fx.Graph, inputs: Sequence[Tensor]) -> Flow:
    """Return what each node of `graph` gives for `inputs`, one a placeholder."""
    recorder = _Recorder(fx.GraphModule(root, graph), garbage_collect_values=False)
    order = layout(root)
    with left_alone(root):
        recorder.run(*(laid_out(tensor, order) for tensor in inputs))
    return {node: recorder.seen[node.name] for node in graph.nodes}


class _Recorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, **options: Any) -> None:
        super().__init__(module, **options)
        self.seen: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.seen[n.name] = result.detach() if isinstance(result, Tensor) else result
        return result
