"""How a network is called: with one tensor, several by position, or several by name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from archdial.common.errors import UsageError, cut
from archdial.networks.example import Inputs
from archdial.tasks.parts import TARGETS

Form = Literal["tensor", "tuple", "dict"]
Constant = bool | int | float | str | None
"""What may stand beside tensors in a call by name: it is the same in every call, as use_cache=False."""


@dataclass(frozen=True)
class Calling:
    """The form of a network's inputs.

    Attributes:
        form: one tensor, several by position, or several by name.
        names: of the tensors, in order.
        constants: what else every call by name has.
    """

    form: Form = "tensor"
    names: tuple[str, ...] = ("inputs",)
    constants: Mapping[str, Constant] = field(default_factory=dict)

    def flat(self, inputs: Inputs) -> tuple[Tensor, ...]:
        """Return the tensors of `inputs`, in order; further keys of a mapping, as labels, are passed over.

        Raises:
            UsageError: it has another form, or a tensor is missing.
        """
        if isinstance(inputs, Tensor):
            found: tuple[Any, ...] = (inputs,)
        elif isinstance(inputs, Mapping):
            found = tuple(inputs[name] for name in self.names if name in inputs)
        else:
            found = tuple(inputs)
        fitting = isinstance(inputs, Mapping) == (self.form == "dict") or len(self.names) == 1
        if not fitting or len(found) != len(self.names) or not all(isinstance(one, Tensor) for one in found):
            raise UsageError(
                f"inputs {described(inputs)} for a network that takes {self}: pass inputs like its example"
            )
        return found

    def tree(self, tensors: Sequence[Any]) -> Any:
        """Return `tensors`, or whatever there is one of for each, in the form of the inputs."""
        if self.form == "tensor":
            return tensors[0]
        return dict(zip(self.names, tensors, strict=True)) if self.form == "dict" else tuple(tensors)

    def call(self, model: Any, tensors: Sequence[Tensor]) -> Any:
        """Return what `model` gives for `tensors`."""
        if self.form == "dict":
            return model(**dict(zip(self.names, tensors, strict=True)), **self.constants)
        return model(*tensors)

    def __str__(self) -> str:
        return "one tensor" if self.form == "tensor" else f"a {self.form} of {', '.join(self.names)}"


def calling_of(example: object, model: nn.Module, labels: bool = False) -> tuple[Calling, tuple[Tensor, ...]]:
    """Return how `model` is called with `example`, and the tensors in it; labels that it can do without are left out.

    Args:
        labels: keep them, as the network is asked for its own loss.

    Raises:
        UsageError: it is no tensor, and no tuple or mapping of tensors with the batch as the first dimension.
    """
    tensors: tuple[Tensor, ...]
    if isinstance(example, Tensor):
        calling, tensors = Calling(names=_parameters(model, 1)), (example,)
    elif isinstance(example, Mapping):
        inputs = {str(name): value for name, value in example.items() if labels or not _is_label(str(name), model)}
        named = {name: value for name, value in inputs.items() if isinstance(value, Tensor)}
        rest = {name: value for name, value in inputs.items() if not isinstance(value, Tensor)}
        _check_constants(rest)
        calling, tensors = Calling("dict", tuple(named), rest), tuple(named.values())
    elif isinstance(example, tuple | list) and all(isinstance(value, Tensor) for value in example):
        calling, tensors = Calling("tuple", _parameters(model, len(example))), tuple(example)
    else:
        raise _no_example(example)
    if not tensors or tensors[0].dim() < 1 or not len(tensors[0]):
        raise _no_example(example)
    return calling, tensors


def described(inputs: object) -> str:
    """Return in a few words what `inputs` are, for errors."""
    if isinstance(inputs, Tensor):
        return f"of shape {tuple(inputs.shape)}, {inputs.dtype}"
    if isinstance(inputs, Mapping):
        return cut("{" + ", ".join(f"{name}: {described(value)}" for name, value in inputs.items()) + "}", 300)
    if isinstance(inputs, tuple | list):
        return cut(f"({', '.join(map(described, inputs))})", 300)
    return f"of type {type(inputs).__name__}"


def _is_label(name: str, model: nn.Module) -> bool:
    """Tell whether an argument is what is asked for, and may be left out: a batch may be handed over as it comes."""
    if name not in TARGETS:
        return False
    own = inspect.signature(model.forward).parameters.get(name)
    return own is None or own.default is not own.empty


def _check_constants(rest: Mapping[str, object]) -> None:
    for name, value in rest.items():
        if not isinstance(value, bool | int | float | str | None):
            raise UsageError(
                f"{cut(name)} in the example is {described(value)}, expected a tensor, or a number, string, boolean "
                "or None that is the same in every call: flatten nested inputs"
            )


def _no_example(example: object) -> UsageError:
    return UsageError(
        f"an example {described(example)}: expected one tensor, a tuple of tensors, or a dict of tensors by the names "
        "of the network's arguments, each with the batch as its first dimension, at least 1"
    )


def _parameters(model: nn.Module, count: int) -> tuple[str, ...]:
    """Return names for the first `count` arguments of `model`: its own, where it has that many."""
    try:
        found = list(inspect.signature(model.forward).parameters.values())
    except (TypeError, ValueError):
        found = []
    own = [one.name for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return tuple(own[:count]) if len(own) >= count else tuple(f"input_{number}" for number in range(count))
