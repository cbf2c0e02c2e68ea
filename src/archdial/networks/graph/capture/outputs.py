"""Which outputs of a network are kept: a tensor, or several by name or position; and comparing them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, fx

from archdial.common.errors import UsageError, cut

LOGITS = "logits"
Outputs = Any
"""One tensor, a tuple of tensors, or a dict of tensors by name."""
TOLERANCE = 1e-4
"""Largest difference of a captured network from the original, over the largest output."""


def named(result: Any) -> dict[str, Any] | None:
    """Return the outputs of `result` by name, those that are None left out; None where they have no names."""
    if isinstance(result, Mapping):
        found = {str(name): value for name, value in result.items()}
    elif dataclasses.is_dataclass(result) and not isinstance(result, type):
        found = {one.name: getattr(result, one.name) for one in dataclasses.fields(result)}
    elif hasattr(result, "_asdict"):
        found = dict(result._asdict())
    else:
        return None
    return {name: value for name, value in found.items() if value is not None}


def chosen(result: Any, wanted: Sequence[str] | None = None) -> Outputs:
    """Return what is kept of a network's output.

    Args:
        result: a tensor, or a tuple, mapping or dataclass of tensors and other things.
        wanted: names of what to keep, by default `logits` where there are any, else every tensor.

    Raises:
        UsageError: there is no tensor, or none of a name that is wanted.
    """
    by_name = named(result)
    if wanted is not None:
        return _wanted(by_name, tuple(wanted))
    if by_name is not None:
        if _is_tensor(by_name.get(LOGITS)):
            return by_name[LOGITS]
        return _only({name: value for name, value in by_name.items() if _is_tensor(value)}, result)
    if isinstance(result, tuple | list):
        return _only(tuple(value for value in result if _is_tensor(value)), result)
    return _only((result,) if _is_tensor(result) else (), result)


def left_out(result: Any, wanted: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the names, or places, of what `chosen` leaves out of `result`."""
    by_name = named(result)
    kept = chosen(result, wanted)
    if by_name is not None:
        alone = not isinstance(kept, dict)
        return tuple(name for name, value in by_name.items() if (value is not kept if alone else name not in kept))
    if not isinstance(result, tuple | list):
        return ()
    return tuple(f"[{n}]" for n, value in enumerate(result) if value is not None and not _is_tensor(value))


def _wanted(by_name: Mapping[str, Any] | None, wanted: tuple[str, ...]) -> Outputs:
    if by_name is None:
        raise UsageError("outputs are requested by name, but the network's outputs have no names: omit outputs=…")
    for name in wanted:
        if not _is_tensor(by_name.get(name)):
            raise UsageError(f"no tensor output named {cut(name)!r}: the network has {cut(', '.join(by_name))}")
    return by_name[wanted[0]] if len(wanted) == 1 else {name: by_name[name] for name in wanted}


def _only(found: dict[str, Any] | tuple[Any, ...], result: Any) -> Outputs:
    """Return the one that was `found` by itself, or all of them."""
    if not found:
        raise UsageError(f"the network returns {type(result).__name__}, expected one or more tensors")
    values = list(found.values()) if isinstance(found, dict) else list(found)
    return values[0] if len(values) == 1 else found


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor | fx.Node | fx.Proxy)


def tensors_of(outputs: Outputs) -> list[Any]:
    """Return the tensors, or nodes, in `outputs`, in order."""
    if isinstance(outputs, Mapping):
        return list(outputs.values())
    return list(outputs) if isinstance(outputs, tuple | list) else [outputs]


def like(outputs: Outputs, tensors: Sequence[Any]) -> Outputs:
    """Return `tensors` in the form of `outputs`."""
    if isinstance(outputs, Mapping):
        return dict(zip(outputs, tensors, strict=True))
    return tuple(tensors) if isinstance(outputs, tuple | list) else tensors[0]


def all_close(given: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Tell whether outputs are those that are `expected`, within TOLERANCE."""
    return all(_close(own, user) for own, user in zip(given, expected, strict=True))


def _close(given: Tensor, expected: Tensor) -> bool:
    # Without values, shapes are all that there is to compare.
    if given.shape != expected.shape or given.is_meta or not given.numel():
        return given.shape == expected.shape
    if not expected.is_floating_point():
        return given.equal(expected)
    return not bool((given - expected).abs().max() > TOLERANCE * expected.abs().max().clamp_min(1))
