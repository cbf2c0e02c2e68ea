"""From a supernet and one-hot weights to a plain module: record the path, drop what did not run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor, fx, nn
from torch.fx.proxy import GraphAppendingTracer

from archdial.networks.cells.repeats import merge_repeats
from archdial.networks.standalone import standalone
from archdial.networks.statistics import recalibrate
from archdial.networks.supernet import Supernet
from archdial.tasks.calls import called


def plain_module(
    network: Supernet, weights: Tensor, calibration: Sequence[Any] = (), name: str = "inputs"
) -> fx.GraphModule:
    """Return what `network` computes under one-hot `weights` (m, k), as a module of which archdial is no part.

    Parameters and buffers are copies; only the options that run are there, and what several of them would do to the
    same tensor is done once. The names of parameters are those of the supernet. With batches to take BatchNorm's
    statistics of, it is in eval mode, else in the modes of `network`, which is only read. Its one argument is called
    `name`.
    """
    graph = _path(network, weights.detach(), name)
    merge_repeats(network, graph)
    graph.lint()
    module = standalone(network, graph)
    if calibration:
        recalibrate(module, lambda inputs: called(module, inputs), calibration)
    return module


def _path(network: Supernet, weights: Tensor, name: str) -> fx.Graph:
    """Return what the forward of `network` does to its inputs.

    `fx.Tracer` would put itself in the place of `nn.Module.__call__` for the whole process, and fail the modules that
    other threads call meanwhile. Here the forward runs on stand-ins instead, which nobody else sees.
    """
    recorder = _Recorder(network)
    inputs = recorder.create_proxy("placeholder", name, (), {})
    outputs = _Shadows(recorder).of(network, "").forward(inputs, weights)
    recorder.graph.output(recorder.create_arg(outputs))
    for node in recorder.graph.nodes:
        # While another thread exports something, torch notes what that comes from at nodes of any graph.
        node.meta.clear()
    return recorder.graph


class _Recorder(GraphAppendingTracer):
    """Writes down what is done to proxies, and names what is read of a network's own parameters and buffers."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(fx.Graph())
        tensors = (*network.named_parameters(), *network.named_buffers())
        self._names = {id(tensor): name for name, tensor in tensors}

    def create_arg(self, a: Any) -> Any:
        name = self._names.get(id(a))
        return super().create_arg(a) if name is None else self.create_node("get_attr", name, (), {})


class _Shadows:
    """What stands for modules while a forward is recorded.

    The modules of archdial and `nn.Sequential` are entered: copies stand for them that share all but submodules. All
    others, those of torch and a user's own operations, stay whole, and a call of them is one node. What is called is a
    function and never a module: no hook sees proxies, and no tracing of another thread sees the call.
    """

    def __init__(self, recorder: _Recorder) -> None:
        self._recorder = recorder
        self._made: dict[int, Any] = {}

    def of(self, module: nn.Module, prefix: str) -> nn.Module:
        """Return a copy of `module`, whose submodules' names begin with `prefix`, on shadows of its submodules."""
        shadow: nn.Module = object.__new__(type(module))
        vars(shadow).update(vars(module))
        children = module._modules.items()
        vars(shadow)["_modules"] = {key: child and self._submodule(child, prefix + key) for key, child in children}
        return shadow

    def _submodule(self, module: nn.Module, name: str) -> Any:
        # By its first name, where it has several.
        if id(module) not in self._made:
            self._made[id(module)] = self._new(module, name)
        return self._made[id(module)]

    def _new(self, module: nn.Module, name: str) -> Any:
        if isinstance(module, (nn.ModuleList, nn.ModuleDict)):
            return self.of(module, f"{name}.")
        if isinstance(module, nn.Identity):
            return _same
        if _is_entered(module):
            return self.of(module, f"{name}.").forward
        return partial(_call, self._recorder, name)


def _call(recorder: _Recorder, name: str, *args: Any, **kwargs: Any) -> fx.Proxy:
    return recorder.create_proxy("call_module", name, args, kwargs)


def _is_entered(module: nn.Module) -> bool:
    return isinstance(module, nn.Sequential) or type(module).__module__.split(".")[0] == "archdial"


def _same(inputs: Any) -> Any:
    return inputs
