"""How coarsely a node can be computed: where only every second pixel is read, only these are needed.

A convolution of 1×1 and stride 2 reads one pixel in four. Where nothing else reads a tensor, as where the branch beside
a shortcut is dropped, what gives it can be computed at those pixels alone: a grain of 2, in height and in width. What
works on each pixel by itself hands the grain on to its inputs; a larger convolution takes it as its stride.
"""

from __future__ import annotations

import copy
import operator
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.node_names import function_name

GRAIN = "grain"
"""Key of a node's meta: its Grain, where it has one."""

Coarseness = Mapping[fx.Node, int]
"""The grain at which each node is computed; 1 for what is not in it."""

_PIXELWISE_MODULES = (
    nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Tanh,
    nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Identity,
)  # fmt: skip
_PIXELWISE_FUNCTIONS = {"add", "relu", "relu6", "gelu", "silu", "hardswish", "hardsigmoid", "sigmoid", "tanh"}


@dataclass(frozen=True)
class Grain:
    """How a node that may be computed coarsely reads its inputs.

    Attributes:
        stride: of what reads of its input only the pixels at which it is computed; None where it reads those around
            them too.
    """

    stride: int | None

    def asked(self, coarseness: int) -> int:
        """Return how coarsely its inputs may be computed, where it is computed at every `coarseness`-th pixel."""
        return 1 if self.stride is None else self.stride * coarseness


def asked_by(node: fx.Node, coarseness: int) -> int:
    """Return how coarsely the inputs of `node` may be computed; one without a grain reads every pixel."""
    grain: Grain | None = node.meta.get(GRAIN)
    return 1 if grain is None else grain.asked(coarseness)


def mark(root: nn.Module, graph: fx.Graph, flow: Mapping[fx.Node, object]) -> None:
    """Note in the meta of each node of `graph` its grain, if it has one."""
    called = {node: root.get_submodule(str(node.target)) for node in graph.nodes if node.op == "call_module"}
    calls = Counter(map(id, called.values()))
    for node in graph.nodes:
        node.meta.pop(GRAIN, None)
        if not _are_images(flow, node):
            continue
        module = called.get(node)
        # A module that is called twice has one stride for both calls.
        if type(module) is nn.Conv2d and calls[id(module)] == 1 and _is_plain(module):
            node.meta[GRAIN] = Grain(_own_stride(module))
        elif _is_pixelwise(node, module, flow):
            node.meta[GRAIN] = Grain(1)


def _are_images(flow: Mapping[fx.Node, object], node: fx.Node) -> bool:
    """Tell whether `node` gives, and takes, nothing but images: tensors (n, c, h, w) that flow."""
    tensors = [flow.get(one) for one in (node, *node.all_input_nodes)]
    read = all(source.op != "get_attr" for source in node.all_input_nodes)
    return bool(node.all_input_nodes) and read and all(isinstance(t, Tensor) and t.ndim == 4 for t in tensors)


def _is_plain(module: nn.Conv2d) -> bool:
    # Padding by name goes with no stride but 1.
    return not isinstance(module.padding, str) and module.stride[0] == module.stride[1]


def _own_stride(module: nn.Conv2d) -> int | None:
    stride = module.stride[0]
    alone = module.kernel_size == (1, 1) and module.padding == (0, 0)
    # Of powers of two the finer of two grains holds all pixels of the coarser.
    return stride if alone and stride & (stride - 1) == 0 else None


def _is_pixelwise(node: fx.Node, module: nn.Module | None, flow: Mapping[fx.Node, object]) -> bool:
    fitting = type(module) in _PIXELWISE_MODULES if module is not None else function_name(node) in _PIXELWISE_FUNCTIONS
    shapes = {tensor.shape for one in (node, *node.all_input_nodes) if isinstance(tensor := flow[one], Tensor)}
    return fitting and len(shapes) == 1


def thinned(tensor: Tensor, coarseness: int) -> Tensor:
    """Return every `coarseness`-th pixel of `tensor` (n, c, h, w), in the same order in memory."""
    if coarseness == 1:
        return tensor
    last = tensor.is_contiguous(memory_format=torch.channels_last)
    order = torch.channels_last if last else torch.contiguous_format
    return tensor[..., ::coarseness, ::coarseness].contiguous(memory_format=order)


def strided(module: nn.Conv2d, factor: int) -> nn.Conv2d:
    """Return `module` with `factor` times its stride; its parameters are the same."""
    result = copy.copy(module)
    result.stride = (module.stride[0] * factor, module.stride[1] * factor)
    return result


def coarsen(root: nn.Module, graph: fx.Graph, coarseness: Coarseness) -> dict[str, int]:
    """Let each node of `graph` be computed as coarsely as told; return new strides of convolutions, by name.

    What works on each pixel by itself reads a slice where its input is computed more finely, for others' sake.
    """
    strides: dict[str, int] = {}
    for node in [node for node in graph.nodes if GRAIN in node.meta]:
        own = coarseness.get(node, 1)
        module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
        for source in node.all_input_nodes:
            given = coarseness.get(source, 1)
            if not isinstance(module, nn.Conv2d):
                _read_coarsely(graph, node, source, own // given)
            elif own != given:
                strides[str(node.target)] = module.stride[0] * own // given
    return strides


def _read_coarsely(graph: fx.Graph, node: fx.Node, source: fx.Node, factor: int) -> None:
    if factor > 1:
        with graph.inserting_before(node):
            every: Any = (..., slice(None, None, factor), slice(None, None, factor))
            node.replace_input_with(source, graph.call_function(operator.getitem, (source, every)))
