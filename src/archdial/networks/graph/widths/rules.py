"""Which rule follows units through which node."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx

from archdial.networks.graph.widths.attention import attention, einsum, product, product_and_sum
from archdial.networks.graph.widths.elementwise import (
    dimensions_of,
    elementwise,
    fixed,
    gated,
    number,
    passed,
    reduction,
    sizes,
    spatial,
)
from archdial.networks.graph.widths.functions import (
    batch_norm_function,
    convolution_function,
    embedding_function,
    group_norm_function,
    layer_norm_function,
    linear_function,
)
from archdial.networks.graph.widths.labels import is_number
from archdial.networks.graph.widths.modules import of_module
from archdial.networks.graph.widths.movement import MOVING, moved, pad
from archdial.networks.graph.widths.spread import Rules, Spread
from archdial.networks.graph.widths.sums import plain
from archdial.networks.node_names import function_name

_PASSED = ("contiguous", "clone", "detach", "alias", "to", "_to_copy", "lift_fresh_copy", "lift_fresh", "float", "half",
           "double", "bfloat16", "type", "type_as", "dropout", "alpha_dropout", "feature_dropout", "dropout1d",
           "dropout2d", "dropout3d", "zeros_like", "ones_like", "full_like", "empty_like", "cpu", "cuda")  # fmt: skip
_FIXED = ("rand_like", "randn_like", "new_zeros", "new_ones",
          "new_full", "new_empty", "zeros", "ones", "full", "arange", "empty")  # fmt: skip
_REDUCTIONS = ("mean", "sum", "amax", "amin", "max", "min", "prod", "std", "var", "norm", "linalg_vector_norm",
               "logsumexp", "softmax", "_softmax", "log_softmax", "_log_softmax", "softmin", "cumsum", "cumprod",
               "argmax", "argmin", "median", "any", "all", "logcumsumexp", "sort", "argsort", "normalize",
               "var_mean", "std_mean")  # fmt: skip
FUNCTIONS: Rules = {
    **dict.fromkeys(MOVING, moved),
    **dict.fromkeys(_PASSED, passed),
    **dict.fromkeys(_FIXED, fixed),
    **dict.fromkeys(_REDUCTIONS, reduction),
    **dict.fromkeys(("matmul", "bmm", "mm", "__matmul__"), product),
    **dict.fromkeys(("addmm", "baddbmm"), product_and_sum),
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), convolution_function),
    **dict.fromkeys(("layer_norm", "rms_norm"), layer_norm_function),
    **dict.fromkeys(("batch_norm",), batch_norm_function),
    "einsum": einsum,
    "linear": linear_function,
    "group_norm": group_norm_function,
    "embedding": embedding_function,
    "scaled_dot_product_attention": attention,
    "glu": gated,
    "pad": pad,
    "constant_pad_nd": pad,
}
_POOLING = ("avg_pool", "max_pool", "adaptive_avg_pool", "adaptive_max_pool", "lp_pool")


def follow(spread: Spread) -> None:
    """Follow units through the whole graph of `spread`."""
    for node in spread.captured.graph.nodes:
        spread.states[node] = _state(spread, node)


def _state(spread: Spread, node: fx.Node) -> Any:
    value = spread.captured.flow[node]
    if node.op == "placeholder":
        return plain(value)
    if node.op == "get_attr":
        return spread.of_attribute(node) if isinstance(value, Tensor) else None
    if node.op == "output":
        return spread.pin_inputs(node)
    if node.op == "call_module":
        return of_module(spread, node, spread.captured.root.get_submodule(str(node.target)))
    return _of_function(spread, node, function_name(node), value)


def _of_function(spread: Spread, node: fx.Node, name: str, value: Any) -> Any:
    if name in {"sym_size", "size"} or (name == "getattr" and node.args[1] == "shape"):
        return sizes(spread, node)
    if name == "getattr" and node.args[1] in {"device", "dtype", "ndim", "is_cuda"}:
        return None
    if is_number(value):
        state = spread.states.get(node.args[0]) if node.args and isinstance(node.args[0], fx.Node) else None
        if name == "getitem" and isinstance(state, tuple | list):
            return _item(state, node.args[1])
        return number(spread, node)
    rule = FUNCTIONS.get(name)
    if rule is None and any(part in name for part in _POOLING):
        return spatial(dimensions_of(name))(spread, node)
    if rule is None and (name.startswith("upsample") or name == "interpolate"):
        return spatial()(spread, node)
    return (rule or elementwise)(spread, node)


def _item(state: Any, place: Any) -> Any:
    return state[place] if isinstance(place, int | slice) else None
