"""What torch and ExecuTorch do again and again while they lower a program, done once or when it is asked for.

Most of the seconds that a program takes to lower go into five things: all operators there are, listed and overridden
anew for each of its decompositions; Python that is written and compiled for graphs which are only walked; the history
of each node, copied at each walk; checks after each pass; and walks that change nothing. The programs that come out are
the same, byte for byte. All of these are names within torch and ExecuTorch: one that another version lacks is left
alone.
"""

from __future__ import annotations

import functools
import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import fx
from torch._C import DispatchKey
from torch.fx.passes.infra.pass_base import PassResult

from archdial.networks.tracing_lock import TRACING

_KNOWN = "archdial.walked"
_PLAIN = (str, int, float, bool, type(None), torch.dtype, torch.layout, torch.memory_format, torch.device)
Function = Callable[..., Any]


@contextmanager
def lean() -> Iterator[None]:
    """Lower without what is repeated; while no other thread traces, as it changes what that would use."""
    with TRACING, ExitStack() as undone:
        for home, name, lean_one in _REPEATED:
            owner = _owner(home)
            own = getattr(owner, name, None)
            if own is not None:
                setattr(owner, name, lean_one(own))
                undone.callback(setattr, owner, name, own)
        undone.enter_context(_without_collections())
        yield


def _owner(home: str) -> Any:
    """Return the module called `home`, or the class in it after a colon; None where there is none."""
    module, _, kind = home.partition(":")
    try:
        found = import_module(module)
    except ImportError:
        return None
    return getattr(found, kind, None) if kind else found


@contextmanager
def _without_collections() -> Iterator[None]:
    """Look for no cycles within: a look through all that is imported takes longer than lowering a small part."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _listed_once(listed: Function) -> Function:
    """List operators anew only where there are more of them than before."""

    def operators() -> Any:
        return _of_so_many(listed, len(torch._C._dispatch_get_all_op_names()))

    return operators


@functools.lru_cache(maxsize=1)
def _of_so_many(listed: Function, _: int) -> Any:
    return frozenset(listed())


def _implemented(own: Function) -> Function:
    """Override an operator as `py_impl` does, without making the type of a function each time."""

    def py_impl(overload: Any, key: Any) -> Function:
        def keep(function: Function) -> Function:
            if not isinstance(key, DispatchKey) or key == DispatchKey.Python or key in overload.py_kernels:
                return own(overload, key)(function)  # type: ignore[no-any-return]
            overload.py_kernels[key] = function
            overload._dispatch_cache.clear()
            return function

        return keep

    return py_impl


def _decomposed(own: Function) -> Function:
    """Leave out a decomposition of nothing: what it does besides, the next one does as well."""

    def run_decompositions(program: Any, decomp_table: Any = None, *others: Any, **named: Any) -> Any:
        # A table of torch's own is a dictionary that says it is empty.
        nothing = type(decomp_table) is dict and not decomp_table
        return program if nothing else own(program, decomp_table, *others, **named)

    return run_decompositions


def _history(source: Any) -> Any:
    """Return the class of a node's history, which refers to what was before it in place of a copy of all that."""

    class Referring(source):  # type: ignore[misc]
        def __init__(self, node: Any, pass_name: str = "", action: Any = None) -> None:
            super().__init__(None, pass_name, action)
            if node:
                self.node_info = self.NodeInfo(node.name, str(node.target), id(node.graph))
                self.from_node = list(node.meta.get("from_node", ()))

    Referring.__name__ = Referring.__qualname__ = source.__name__
    return Referring


def _when_called(recompile: Function) -> Function:
    """Write the Python of a graph when it is called, which most are not."""

    def forward(module: Any, *inputs: Any, **named: Any) -> Any:
        recompile(module)
        return module.forward(*inputs, **named)

    def later(module: Any) -> Any:
        # What takes a tree apart says so in its code.
        if type(module.graph._codegen) is not fx.graph.CodeGen:
            return recompile(module)
        type(module).forward = forward
        # Whoever prints a graph, as for a log that nobody keeps, finds nothing.
        vars(module)["_code"] = ""
        return None

    return later


def _unchecked(_: Function) -> Function:
    """Check no program between two passes: what becomes of it is checked before it is handed to XNNPACK."""

    def validate(program: Any) -> None:
        pass

    return validate


def _walked_once(walk: Function) -> Function:
    """Leave out a walk that changes nothing: of a pass that found nothing, through a graph that was walked before."""

    def call(one: Any, module: Any) -> Any:
        kind: Any = type(one)  # A class, which mypy does not take for hashable.
        if _only_walks(kind) and _same(module):
            return PassResult(module, False)
        found = walk(one, module)
        found.graph_module.meta[_KNOWN] = _outline(found.graph_module.graph)
        return found

    return call


def _same(module: Any) -> bool:
    known = module.meta.get(_KNOWN)
    return known is not None and known == _outline(module.graph)


@functools.cache
def _only_walks(kind: Any) -> bool:
    """Return whether a kind of pass does nothing at a node that other passes do not."""
    base = [one for one in kind.__mro__ if one.__module__ == "executorch.exir.pass_base"]
    own = kind.__mro__[: kind.__mro__.index(base[0])]
    hooks = {name for one in base for name in vars(one) if not name.startswith("__")} - {"call", "_abc_impl"}
    return not any(hooks & vars(one).keys() for one in own)


def _outline(graph: fx.Graph) -> Any:
    """Return what says all of a graph, to be compared; None of one with arguments that are not plain."""
    places = {node: number for number, node in enumerate(graph.nodes)}
    try:
        return [
            (node.op, node.target, _flat(node.args, places), _flat(node.kwargs, places), _form(node))
            for node in graph.nodes
        ]
    except TypeError:
        return None


def _flat(value: Any, places: dict[fx.Node, int]) -> Any:
    if isinstance(value, fx.Node):
        return ("node", places[value])
    if isinstance(value, tuple | list):
        return [_flat(one, places) for one in value]
    if isinstance(value, dict):
        return [(name, _flat(one, places)) for name, one in value.items()]
    if type(value) in _PLAIN:
        return value
    raise TypeError


def _form(node: fx.Node) -> Any:
    """Return the shape of what comes in from outside, as it may change while the graph stays."""
    value = node.meta.get("val") if node.op in ("placeholder", "get_attr") else None
    if not isinstance(value, torch.Tensor):
        return None
    sizes = (*value.shape, *value.stride())
    if not all(type(size) is int for size in sizes):
        raise TypeError
    return (sizes, value.dtype)


_REPEATED: tuple[tuple[str, str, Function], ...] = (
    ("torch.export.exported_program", "_collect_all_valid_cia_ops", _listed_once),
    ("torch.export.decomp_utils", "_collect_all_valid_cia_ops", _listed_once),
    ("torch._ops:OperatorBase", "py_impl", _implemented),
    ("torch.export:ExportedProgram", "run_decompositions", _decomposed),
    ("torch.fx.traceback", "NodeSource", _history),
    ("torch.fx:GraphModule", "recompile", _when_called),
    ("torch.export:ExportedProgram", "_validate", _unchecked),
    ("executorch.exir.pass_base:_ExportPassBase", "call", _walked_once),
)
"""Where it is, its name, and what takes its place."""
