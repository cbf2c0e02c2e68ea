"""From any network to a graph whose nodes are calls of its own modules, and the tensors that flow through it."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.common.errors import UsageError, first_line
from archdial.networks.graph.capture.by_export import exported
from archdial.networks.graph.capture.by_tracing import Untraceable, line_at_fault, traced
from archdial.networks.graph.capture.constants import fold_constants
from archdial.networks.graph.capture.functional import make_functional, make_reshapes, remove_dead
from archdial.networks.graph.capture.leaves import is_leaf, is_torch_leaf
from archdial.networks.layout import laid_out, lay_out, layout
from archdial.networks.tracing_lock import TRACING

Flow = dict[fx.Node, Any]
"""What each node gave for one input."""

BATCH = "batch_dimension"
"""Key of a node's meta: in which dimension of its tensor the inputs of a batch lie, or None."""

TOLERANCE = 1e-4
"""Largest difference of a captured network from the original, over the largest output."""


@dataclass(frozen=True)
class Captured:
    """A network as a graph.

    Attributes:
        root: a copy of the user's network, whose parameters and their names are its own.
        graph: nodes that call modules of `root`, or functions.
        how: "export" or "trace".
        opaque: names of submodules that could not be entered, and stay one operation each.
        flow: what each node gives for one input (1, …), in evaluation mode.
    """

    root: nn.Module
    graph: fx.Graph
    how: str
    opaque: tuple[str, ...]
    flow: Flow


def capture(model: nn.Module, example: Tensor) -> Captured:
    """Capture `model`, which is left as it was, by what it does to `example` (batch, …).

    torch.export first, torch.fx where it fails; either counts only if it gives the outputs of the model at another
    batch size too. One thread captures at a time; models that others call meanwhile go through the tracer of
    torch.export, which cannot be changed, and those of torch.compile may refuse to run.

    Raises:
        UsageError: `model` is no module, refuses the example, or can be captured in neither way.
    """
    with TRACING:
        _check(model, example)
        return _captured(model, example[:1])


def _captured(model: nn.Module, one: Tensor) -> Captured:
    faults: list[str] = []
    for leaf in (is_leaf, is_torch_leaf):
        try:
            root = _prepared(model)
            # A batch of one would be taken for a constant.
            graph = exported(root, torch.cat((one, one)), leaf)
            return _checked(model, root, graph, one, "export", ())
        except Exception as error:
            faults.append(f"torch.export: {first_line(error)}")
    try:
        root = _prepared(model)
        graph, opaque = traced(root, is_torch_leaf)
        return _checked(model, root, graph, one, "trace", opaque)
    except Untraceable as error:
        raise UsageError(
            f"{type(model).__name__} cannot be captured as a graph, it depends on values at {error}. Move that code "
            f"into a submodule, which then stays one operation ({faults[0]})"
        ) from error
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} cannot be captured as a graph: {first_line(error)}. Move what is unusual into a "
            f"submodule, which then stays one operation ({faults[0]})"
        ) from error


def _check(model: object, example: object) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"a model of type {type(model).__name__}: expected a torch.nn.Module")
    if not isinstance(example, Tensor) or example.dim() < 1 or not len(example):
        raise UsageError("expected as example input one tensor whose first dimension is the batch, at least 1")
    try:
        _run(model, example)
    except UsageError:
        raise
    except Exception as error:
        raise UsageError(
            f"{type(model).__name__} refuses an example input of shape {tuple(example.shape)}, {example.dtype}: "
            f"{first_line(error)} at {line_at_fault(error)}. Pass a batch such as it was trained on"
        ) from error


def _prepared(model: nn.Module) -> nn.Module:
    return copy.deepcopy(model).eval()


@torch.no_grad()
def _run(model: nn.Module, example: Tensor) -> Tensor:
    modes = {module: module.training for module in model.modules()}
    try:
        # A copy: the network may write to its input.
        return one_tensor(model.eval()(example.clone()))
    finally:
        for module, training in modes.items():
            module.training = training


def one_tensor(result: Any) -> Tensor:
    """Return the tensor of a network's output: the output itself, its `logits`, or the only one in it."""
    if isinstance(result, Tensor):
        return result
    logits = result.get("logits") if hasattr(result, "get") else getattr(result, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    tensors = [v for v in torch.utils._pytree.tree_leaves(result) if isinstance(v, Tensor)]
    if len(tensors) != 1:
        raise UsageError(
            f"the network returns {len(tensors)} tensors, none of them called logits: wrap it so that it returns one"
        )
    return tensors[0]


def _checked(
    model: nn.Module, root: nn.Module, graph: fx.Graph, one: Tensor, how: str, opaque: tuple[str, ...]
) -> Captured:
    make_functional(root, graph)
    make_reshapes(graph)
    remove_dead(graph)
    if one.dim() == 4:
        lay_out(root)
    flow = flow_of(root, graph, one)
    own = {name for name, _ in model.named_buffers()}
    fold_constants(root, graph, flow, frozenset(name for name, _ in root.named_buffers() if name not in own))
    three = torch.cat((one, one.flip(-1), one.roll(1, -1)))
    expected = _run(model, three)
    of_three = flow_of(root, graph, three)
    given = of_three[next(reversed(graph.nodes))]
    # Without values, shapes are all that there is to compare.
    if given.shape != expected.shape or not (given.is_meta or _close(given, expected)):
        raise ValueError("the captured graph gives other outputs than the network")
    for node in graph.nodes:
        node.meta[BATCH] = _batch_dimension(flow[node], of_three[node])
    return Captured(root, graph, how, opaque, flow)


def _close(given: Tensor, expected: Tensor) -> bool:
    return not bool((given - expected).abs().max() > TOLERANCE * expected.abs().max().clamp_min(1))


def _batch_dimension(one: Any, three: Any) -> int | None:
    """Return the dimension in which three inputs are three times as many; None for what is the same for any."""
    if not isinstance(one, Tensor) or one.shape == three.shape:
        return None
    grown = [number for number, (a, b) in enumerate(zip(one.shape, three.shape, strict=True)) if b == 3 * a != a]
    return grown[0] if grown else None


@torch.no_grad()
def flow_of(root: nn.Module, graph: fx.Graph, inputs: Tensor) -> Flow:
    """Return what each node of `graph` gives for `inputs`."""
    recorder = _Recorder(fx.GraphModule(root, graph), garbage_collect_values=False)
    recorder.run(laid_out(inputs, layout(root)))
    return {node: recorder.seen[node.name] for node in graph.nodes}


class _Recorder(fx.Interpreter):
    def __init__(self, module: fx.GraphModule, **options: Any) -> None:
        super().__init__(module, **options)
        self.seen: dict[str, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        self.seen[n.name] = result.detach() if isinstance(result, Tensor) else result
        return result
