"""Layers in float between others in eight bits: what keeps ONNX Runtime from making eight bits of them too.

A convolution or linear layer with weights in float, from DequantizeLinear to QuantizeLinear, it takes for one whose
weights were forgotten, and rounds them by one scale for all channels (1.32, WeightBiasQuantization). It leaves alone
what has a step between that changes no number, and which it fuses into the layer.
"""

from __future__ import annotations

from torch import fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.networks.eight_bits.fake import FakeQuantize
from archdial.networks.eight_bits.following import clips, keeps_grid
from archdial.networks.eight_bits.layers import KINDS
from archdial.networks.node_names import function_name, module_of

_FUNCTIONS = {"conv1d", "conv2d", "linear"}


def keep_in_float(module: fx.GraphModule) -> None:
    """Put that step, in place, after each layer in float that stands between what `module` rounds."""
    for node in [node for node in module.graph.nodes if _is_in_float(module, node) and _reads_rounded(module, node)]:
        last = _only_reader(node)
        last = last if last is not None and _calls(module, last, _BatchNorm) else node
        if _is_rounded(module, last):
            reader = next(iter(last.users))
            with module.graph.inserting_after(last):
                reader.replace_input_with(last, module.graph.call_function(functional.leaky_relu, (last, 1.0)))


def _is_in_float(module: nn.Module, node: fx.Node) -> bool:
    rounding = _calls(module, node, *KINDS.values())
    return function_name(node) in _FUNCTIONS or (_calls(module, node, *KINDS) and not rounding)


def _reads_rounded(module: nn.Module, node: fx.Node) -> bool:
    source = node.all_input_nodes[0]
    while keeps_grid(module, source):
        source = source.all_input_nodes[0]
    return _calls(module, source, FakeQuantize)


def _is_rounded(module: nn.Module, node: fx.Node) -> bool:
    reader = _only_reader(node)
    while reader is not None and (clips(module, reader) or keeps_grid(module, reader)):
        reader = _only_reader(reader)
    return reader is not None and _calls(module, reader, FakeQuantize)


def _only_reader(node: fx.Node) -> fx.Node | None:
    return next(iter(node.users)) if len(node.users) == 1 else None


def _calls(module: nn.Module, node: fx.Node, *kinds: type[nn.Module]) -> bool:
    return isinstance(module_of(module, node), kinds)
