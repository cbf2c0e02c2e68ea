"""From fake quantisation to integers: the form of a network that runtimes are given."""

from __future__ import annotations

from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from archdial.networks.eight_bits.fake import FakeQuantize, Rounding, rounded_weight
from archdial.networks.eight_bits.integers import Dequantize, IntegerLayer, Quantize
from archdial.networks.eight_bits.kept_in_float import keep_in_float
from archdial.networks.eight_bits.layers import KINDS
from archdial.networks.node_names import module_of
from archdial.networks.standalone import recompile

_PLAIN = {eight: kind for kind, eight in KINDS.items()}


def has_eight_bits(module: nn.Module) -> bool:
    """Tell whether anything in `module` computes in eight bits."""
    return any(isinstance(one, FakeQuantize) for one in module.modules())


def deployed(module: nn.Module, *, signed: bool = False) -> nn.Module:
    """Return `module`, changed in place, with integers where it rounds: eight bits as runtimes have them.

    Args:
        module: in evaluation mode, the caller's own.
        signed: whether activations are signed, as XNNPACK wants them; ONNX Runtime has its fastest kernels for others.
    """
    for one in _rounding(module):
        _fold(one)
        if not signed:
            keep_in_float(one)
        for node in [node for node in one.graph.nodes if node.op == "call_module"]:
            _replace(one, node, signed=signed)
        one.graph.lint()
        recompile(one)
    return module


def settled(module: nn.Module) -> nn.Module:
    """Return `module`, changed in place, still in float and rounded, but by constants: what can be captured whole."""
    for name, one in list(module.named_modules()):
        if isinstance(one, FakeQuantize):
            module.set_submodule(name, Rounding(one.grid))
        elif type(one) in _PLAIN:
            one.__class__ = _PLAIN[type(one)]
            one.weight = nn.Parameter(rounded_weight(one.weight).detach(), requires_grad=False)
    return module


def in_float(module: nn.Module) -> nn.Module:
    """Return `module`, changed in place, without its eight bits: the same weights, and nothing is rounded."""
    for one in _rounding(module):
        for node in [node for node in one.graph.nodes if isinstance(module_of(one, node), FakeQuantize)]:
            node.replace_all_uses_with(node.all_input_nodes[0])
            one.graph.erase_node(node)
        recompile(one)
    for layer in module.modules():
        if type(layer) in _PLAIN:
            layer.__class__ = _PLAIN[type(layer)]
    return module


def _rounding(module: nn.Module) -> list[fx.GraphModule]:
    """Return the graphs within `module` that round."""
    graphs = [one for one in module.modules() if isinstance(one, fx.GraphModule)]
    return [one for one in graphs if any(isinstance(module_of(one, n), FakeQuantize) for n in one.graph.nodes)]


def _fold(module: fx.GraphModule) -> None:
    """Take each normalisation after a layer in eight bits into its weights: channels are only scaled."""
    for node in list(module.graph.nodes):
        norm, before = module_of(module, node), node.args[0] if node.args else None
        if not isinstance(norm, _BatchNorm) or not isinstance(before, fx.Node) or len(before.users) != 1:
            continue
        layer = module_of(module, before)
        if layer is not None and type(layer) in KINDS.values():
            fuse: Any = fuse_linear_bn_eval if isinstance(layer, nn.Linear) else fuse_conv_bn_eval
            module.set_submodule(str(before.target), fuse(layer.eval(), norm.eval()))
            node.replace_all_uses_with(before)
            module.graph.erase_node(node)


def _replace(module: fx.GraphModule, node: fx.Node, *, signed: bool) -> None:
    called, name = module_of(module, node), str(node.target)
    if type(called) in KINDS.values():
        module.set_submodule(name, IntegerLayer(called))  # type: ignore[arg-type]
    elif isinstance(called, FakeQuantize):
        _insert(module, node, called, signed=signed)


def _insert(module: fx.GraphModule, node: fx.Node, rounding: FakeQuantize, *, signed: bool) -> None:
    """Put two steps in the place of one that rounds; each reader has the second to itself, as runtimes look for it."""
    container, _, own = str(node.target).rpartition(".")
    holder = module.get_submodule(container)
    names = {f"{own}_quantize": Quantize, f"{own}_dequantize": Dequantize}
    for name, kind in names.items():
        if not hasattr(holder, name):
            holder.add_module(name, kind(rounding.grid, signed=signed))
    to, back = (f"{container}.{name}" for name in names)
    with module.graph.inserting_before(node):
        whole = module.graph.call_module(to, (node.args[0],))
        for reader in list(node.users):
            reader.replace_input_with(node, module.graph.call_module(back, (whole,)))
    module.graph.erase_node(node)
