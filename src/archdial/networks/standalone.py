"""A graph and copies of what it uses as one module, freed completely when it is no longer referenced."""

from __future__ import annotations

import copy
import linecache
import weakref
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, fx, nn
from torch.fx import graph_module

from archdial.networks.beside import with_history

Module = TypeVar("Module", bound=nn.Module)


def standalone(root: nn.Module, graph: fx.Graph, parts: Mapping[str, Any] = {}) -> fx.GraphModule:
    """Return a module that runs `graph` on copies of what it uses of `root`, under the same names.

    What is one thing in `root`, as tied parameters are, is one thing in the copy.

    Args:
        root: owner of the modules.
        graph: whose targets are names within `root`.
        parts: by name what takes the place of a module or tensor of `root`.
    """
    memo = with_history(root)
    apart = _set_apart(root, graph)
    used = dict.fromkeys(str(node.target) for node in graph.nodes if node.op in {"call_module", "get_attr"})
    copies = nn.Module()
    for name in used:
        own = name.removeprefix(f"{apart}.")
        _put(copies, name, copy.deepcopy(parts[own] if own in parts else attribute_of(root, own), memo))
    made = fx.GraphModule(copies, graph, class_name="Member")
    _own_weakly(made)
    _keep_source_while_it_lives(made)
    for name, module in made.named_modules():
        # fx makes containers again, in training mode, and puts every buffer into the state dict.
        source = root if name == apart else root.get_submodule(name)
        module.training = source.training
        module._non_persistent_buffers_set |= source._non_persistent_buffers_set & module._buffers.keys()
    return made


def _set_apart(root: nn.Module, graph: fx.Graph) -> str:
    """Let `graph` read what `root` itself has outside its state dict from a module within; return that one's name.

    Copied or unpickled, a GraphModule has every buffer of its own in the state dict; its submodules stay as they are.
    """
    apart = "constants"
    while hasattr(root, apart):
        apart += "_"
    for node in graph.nodes:
        if node.op == "get_attr" and node.target in root._non_persistent_buffers_set:
            node.target = f"{apart}.{node.target}"
    return apart


def copied(module: Module, memo: dict[int, Any] | None = None) -> Module:
    """Return a deep copy, of a module in training too: what was computed of its weights, as by weight_norm, is data.

    Args:
        memo: as that of `copy.deepcopy`.
    """
    memo = {} if memo is None else memo
    memo.update(with_history(module))
    return copy.deepcopy(module, memo)


def keep_unused(module: nn.Module, root: nn.Module) -> None:
    """Give `module`, which uses a part of `root`, copies of its other parameters and buffers under their names.

    What is one tensor in `root` is one here too: a state dict then fits the user's network.
    """
    own, others = module.state_dict(keep_vars=True), root.state_dict(keep_vars=True)
    known = {id(tensor): own[name] for name, tensor in others.items() if name in own}
    for name, tensor in others.items():
        if name in own:
            continue
        if id(tensor) not in known:
            values, trained = tensor.detach().clone(), isinstance(tensor, nn.Parameter)
            known[id(tensor)] = nn.Parameter(values, tensor.requires_grad) if trained else values
        _put(module, name, known[id(tensor)])


def recompile(module: fx.GraphModule) -> None:
    """Let `module` run its graph as that is now, and hold nothing that is not in it."""
    module.delete_all_unused_submodules()
    module.recompile()
    _keep_source_while_it_lives(module)


def attribute_of(root: nn.Module, name: str) -> Any:
    """Return the module, parameter or buffer that `root` has under a dotted name, as a node's target is one."""
    path, _, attribute = name.rpartition(".")
    return getattr(root.get_submodule(path), attribute)


def _put(root: nn.Module, name: str, part: Any) -> None:
    # Of a dictionary fx would take what lies less deep first: modules then stand in another order than they run in, and
    # a seed would draw other weights for them.
    *containers, attribute = name.split(".")
    for container in containers:
        if container not in root._modules:
            root.add_module(container, nn.Module())
        root = root.get_submodule(container)
    if isinstance(part, Tensor) and not isinstance(part, nn.Parameter):
        root.register_buffer(attribute, part)
    else:
        setattr(root, attribute, part)


def _own_weakly(module: fx.GraphModule) -> None:
    # A graph refers to its module as that does to the graph: the weights of a hundred dropped modules would wait until
    # Python looks for cycles.
    owner: Any = weakref.proxy(module)
    module.graph.owning_module = owner
    weakref.finalize(module, _disown, module.graph, owner).atexit = False


def _disown(graph: fx.Graph, owner: object) -> None:
    if graph.owning_module is owner:
        graph.owning_module = None


def _keep_source_while_it_lives(module: fx.GraphModule) -> None:
    # torch.fx never lets go of a source by itself. Until then tracebacks and TorchScript find it.
    file = type(module).forward.__code__.co_filename
    weakref.finalize(module, _forget, file, module.code).atexit = False


def _forget(file: str, source: str) -> None:
    cache: dict[str, str] = getattr(getattr(graph_module, "_loader", None), "eval_cache", {})
    # Threads that compile at once may be given one name for two sources: the one there may be of another module.
    if cache.get(file) is source:
        cache.pop(file, None)
        linecache.cache.pop(file, None)
