"""Torch layers as data: the class and the arguments that make one again, for files that hold no pickle."""

from __future__ import annotations

import inspect
from typing import Any

from torch import nn

from archdial.common.errors import UsageError

Described = tuple[str, dict[str, Any]]
"""Name of a class in torch.nn, and arguments as JSON."""

_ALIKE: dict[str, nn.Module] = {
    "GELUActivation": nn.GELU(),
    "NewGELUActivation": nn.GELU("tanh"),
    "GELUTanh": nn.GELU("tanh"),
    "PytorchGELUTanh": nn.GELU("tanh"),
    "SiLUActivation": nn.SiLU(),
    "MishActivation": nn.Mish(),
    "LinearActivation": nn.Identity(),
}
"""By the names of classes in transformers.activations; the written file is compared with the member anyway."""


def described(name: str, layer: nn.Module) -> Described:
    """Return what makes a layer like `layer`, apart from weights.

    Raises:
        UsageError: it is no layer of torch.nn, or has arguments that it does not keep.
    """
    layer = _of_torch(layer)
    kind = type(layer)
    if getattr(nn, kind.__name__, None) is not kind:
        raise UsageError(
            f"{name} is a {kind.__module__}.{kind.__qualname__}, but this format holds layers of torch.nn only: "
            "use pt2 or onnx"
        )
    found: Described = kind.__name__, {key: _plain(name, value) for key, value in _arguments(layer).items()}
    # Its parameters tell whether what was read from attributes is what it was made of.
    made = made_of(found)
    own, again = _shapes(layer), _shapes(made)
    if own != again:
        raise UsageError(f"{name}, a {kind.__name__}, cannot be made again from its attributes: use pt2 or onnx")
    return found


def _of_torch(layer: nn.Module) -> nn.Module:
    """Return the layer of torch.nn that computes what an activation of transformers does; others as they are."""
    kind = type(layer)
    return _ALIKE.get(kind.__name__, layer) if kind.__module__ == "transformers.activations" else layer


def made_of(layer: Described) -> nn.Module:
    """Return a layer with new weights."""
    kind, arguments = layer
    made: nn.Module = getattr(nn, kind)(**{key: _tuples(value) for key, value in arguments.items()})
    return made


def _arguments(layer: nn.Module) -> dict[str, Any]:
    """Return the arguments of a layer's constructor, which layers of torch.nn keep as attributes of the same names."""
    recurrent = isinstance(layer, nn.RNNBase)
    names = (*_taken(nn.RNNBase), "nonlinearity") if recurrent else _taken(type(layer))
    found = {name: getattr(layer, name) for name in names if hasattr(layer, name)}
    if isinstance(layer, nn.MultiheadAttention):
        found["bias"] = layer.in_proj_bias
    if "bias" in found:
        # Asked for by True or False, and kept as a parameter or None; recurrent layers keep the answer.
        found["bias"] = found["bias"] is not None and found["bias"] is not False
    # Recurrent layers know their own mode, and only LSTM takes the size of a projection.
    omitted = (
        "device",
        "dtype",
        *(("mode",) if recurrent else ()),
        *(() if found.get("proj_size") else ("proj_size",)),
    )
    return {name: value for name, value in found.items() if name not in omitted}


def _taken(kind: Any) -> list[str]:
    own = kind.__init__
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    named = [one.name for one in inspect.signature(own).parameters.values() if one.kind in kinds]
    return [name for name in named if name != "self" and not name.startswith("_")]


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(name, one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UsageError(f"{name} has a {type(value).__name__} among its arguments: use pt2 or onnx")


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _shapes(layer: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in layer.state_dict().items()}
