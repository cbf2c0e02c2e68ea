"""Recurrent layers: hidden units are the same in all layers and directions."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn

from archdial.networks.graph.widths.group import RECURRENT
from archdial.networks.graph.widths.labels import Labels
from archdial.networks.graph.widths.spread import Out, Spread
from archdial.networks.graph.widths.sums import along, pinned, plain
from archdial.networks.graph.widths.ties import laid_along


def recurrent(spread: Spread, node: fx.Node, module: nn.RNNBase) -> Any:
    """Follow `nn.LSTM`, `nn.GRU` and `nn.RNN`."""
    if module.proj_size or len(node.all_input_nodes) != 1:
        return pinned(spread, node)
    hidden = spread.ties.fresh(module.hidden_size)
    labels = spread.labels(node.args[0])
    into = along(spread.ties, labels, len(labels.shape) - 1)
    ways = 2 if module.bidirectional else 1
    for layer in range(module.num_layers):
        for suffix in ("", "_reverse")[:ways]:
            _tie_layer(spread, node, module, f"l{layer}{suffix}", into, hidden)
        into = hidden.repeat(ways)
    spread.outs.append(Out(str(node.target), RECURRENT, hidden))
    return _results(spread, spread.captured.flow[node], hidden)


def _tie_layer(spread: Spread, node: fx.Node, module: nn.RNNBase, name: str, into: Tensor, hidden: Tensor) -> None:
    gates = getattr(module, f"weight_hh_{name}").shape[0] // module.hidden_size
    rows = hidden.repeat(gates)
    for weight, columns in ((f"weight_ih_{name}", into), (f"weight_hh_{name}", hidden)):
        spread.hold(node, module, weight, 0, rows)
        spread.hold(node, module, weight, 1, columns)
        spread.sum_over(node, weight, 1)
    if module.bias:
        for bias in (f"bias_ih_{name}", f"bias_hh_{name}"):
            spread.hold(node, module, bias, 0, rows)


def _results(spread: Spread, value: Any, hidden: Tensor) -> Any:
    if isinstance(value, tuple | list):
        return tuple(_results(spread, one, hidden) for one in value)
    if not isinstance(value, Tensor):
        return plain(value)
    shape = tuple(value.shape)
    return Labels(shape, (laid_along(hidden.repeat(shape[-1] // len(hidden)), len(shape) - 1, shape),))
