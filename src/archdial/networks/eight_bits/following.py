"""What computes in eight bits where what it reads does: additions, ReLU, maxima, and what only moves numbers."""

from __future__ import annotations

import operator
from typing import Any

from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.networks.eight_bits.layers import KINDS, can_be_in_eight_bits
from archdial.networks.node_names import function_name, is_addition, module_of

_CLIPS = (nn.ReLU, nn.ReLU6)
_CLIPPING = {"relu", "relu6"}
_LARGEST, _LARGEST_OF = (nn.MaxPool1d, nn.MaxPool2d), {"max_pool1d", "max_pool2d"}
_MOVES, _MOVING = (nn.Flatten, nn.Identity, nn.Dropout, nn.Dropout2d), {"flatten"}


def follows(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether `node` computes in eight bits where what it reads does."""
    return is_sum(node) or keeps_grid(root, node) or clips(root, node) or folds(root, node)


def is_sum(node: fx.Node) -> bool:
    """Tell whether `node` adds one tensor that flows to another."""
    return is_addition(node) and all(source.op != "get_attr" for source in node.all_input_nodes)


def keeps_grid(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether what `node` gives is among the numbers that it reads."""
    return moves(root, node) or _calls(root, node, _LARGEST, _LARGEST_OF)


def moves(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether `node`, in evaluation mode, computes nothing."""
    return is_slice(node) or _calls(root, node, _MOVES, _MOVING)


def is_slice(node: fx.Node) -> bool:
    """Tell whether `node` takes some pixels of a tensor, as where only every second is read."""
    return node.target is operator.getitem and isinstance(node.args[1], tuple)


def clips(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether `node` is a ReLU, with or without a bound."""
    return _calls(root, node, _CLIPS, _CLIPPING)


def folds(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether `node` normalises what a layer alone gives, so that it becomes a part of the layer's weights."""
    if not _calls(root, node, (nn.BatchNorm1d, nn.BatchNorm2d), set()):
        return False
    module: Any = module_of(root, node)
    before = node.args[0] if node.args else None
    return (
        isinstance(before, fx.Node) and is_layer(root, before) and len(before.users) == 1 and module.track_running_stats
    )


def is_layer(root: nn.Module, node: fx.Node) -> bool:
    """Tell whether `node` calls a layer that has, or is in, a form in eight bits."""
    module = module_of(root, node)
    return can_be_in_eight_bits(module) or type(module) in KINDS.values()


def absorbs(root: nn.Module, node: fx.Node, source: fx.Node) -> bool:
    """Tell whether runtimes compute `node` together with `source`, which nothing else reads."""
    if _module(root, node, (_BatchNorm,)):
        return is_layer(root, source)
    ends = is_layer(root, source) or is_sum(source) or _module(root, source, (_BatchNorm,))
    return clips(root, node) and ends


def _calls(root: nn.Module, node: fx.Node, classes: tuple[type[nn.Module], ...], names: set[str]) -> bool:
    if node.op == "call_module":
        return _module(root, node, classes)
    return (
        node.op in {"call_function", "call_method"} and function_name(node) in names and len(node.all_input_nodes) == 1
    )


def _module(root: nn.Module, node: fx.Node, classes: tuple[type[nn.Module], ...]) -> bool:
    return isinstance(module_of(root, node), classes)
