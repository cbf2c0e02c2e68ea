"""The kind of operation of a captured network's node."""

from __future__ import annotations

from torch import fx, nn

from archdial.networks.node_names import function_name

CONVOLUTION, NORMALISATION, ACTIVATION = "convolution", "normalisation", "activation"
POOLING, LINEAR, ATTENTION, OPAQUE, OTHER = "pooling", "linear", "attention", "opaque", "other"
BRANCH = "branch"

_MODULE_FILES = {
    "conv": CONVOLUTION,
    "batchnorm": NORMALISATION,
    "normalization": NORMALISATION,
    "instancenorm": NORMALISATION,
    "activation": ACTIVATION,
    "pooling": POOLING,
    "linear": LINEAR,
}
"""By the file of torch.nn.modules in which a class or one of its bases is defined."""

_FUNCTIONS = {
    ATTENTION: {"scaled_dot_product_attention"},
    ACTIVATION: {
        "relu", "relu6", "gelu", "silu", "elu", "selu", "celu", "leaky_relu", "hardtanh", "hardswish", "hardsigmoid",
        "mish", "softplus", "tanh", "sigmoid", "prelu",
    },
    CONVOLUTION: {"conv1d", "conv2d", "conv3d"},
    LINEAR: {"linear"},
    NORMALISATION: {"batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"},
    POOLING: {"max_pool2d", "avg_pool2d", "max_pool1d", "avg_pool1d"},
}  # fmt: skip
_NO_OPERATION = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.Flatten, nn.Unflatten)


def kind_of(node: fx.Node, module: nn.Module | None, *, opaque: bool = False) -> str | None:
    """Return the kind of a node that calls `module`, or a function; None where nothing is worth dropping."""
    if module is not None:
        return OPAQUE if opaque else _kind_of_module(module)
    name = function_name(node)
    return next((kind for kind, names in _FUNCTIONS.items() if name in names), None)


def _kind_of_module(module: nn.Module) -> str | None:
    if isinstance(module, _NO_OPERATION):
        return None
    for base in type(module).__mro__:
        package, _, file = base.__module__.rpartition(".")
        if package == "torch.nn.modules" and file in _MODULE_FILES:
            return _MODULE_FILES[file]
    name = type(module).__name__.lower()
    if "norm" in name or name.endswith("grn"):
        return NORMALISATION
    return ACTIVATION if "activation" in name else OTHER
