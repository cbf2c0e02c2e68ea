"""A network's inputs as JSON: how it is called, and one input that it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from archdial.common.errors import UsageError, cut
from archdial.networks.calling import Calling
from archdial.networks.example import Inputs

MOST_VALUES = 2**16
"""Integers of one input that a file holds: an input of more is none that anybody calls text."""
_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
        torch.uint8, torch.bool,
    )
}  # fmt: skip

DTYPES = tuple(_DTYPES)
"""Types of numbers that inputs may have."""


def inputs_json(calling: Calling, one: Sequence[Tensor], outputs: Sequence[str] | None) -> dict[str, Any]:
    """Return what `inputs_of` makes an example from: `input_shape` of one tensor of float32, else `inputs`."""
    chosen = {} if outputs is None else {"outputs": list(outputs)}
    if calling.form == "tensor" and one[0].dtype == torch.float32:
        return {"input_shape": list(one[0].shape[1:]), **chosen}
    plans = [_plan(name, tensor) for name, tensor in zip(calling.names, one, strict=True)]
    inputs = {"form": calling.form, "tensors": plans, "constants": dict(calling.constants)}
    return {"input_shape": list(one[0].shape[1:]), "inputs": inputs, **chosen}


def inputs_of(value: Mapping[str, Any]) -> Inputs:
    """Return inputs for a batch of one by what `inputs_json` wrote."""
    if "inputs" not in value:
        return torch.zeros(1, *value["input_shape"])
    plan = value["inputs"]
    tensors = {one["name"]: _tensor(one) for one in plan["tensors"]}
    if plan["form"] == "dict":
        return {**tensors, **plan["constants"]}
    found = tuple(tensors.values())
    return found[0] if plan["form"] == "tensor" else found


def _plan(name: str, tensor: Tensor) -> dict[str, Any]:
    plan: dict[str, Any] = {
        "name": name,
        "shape": list(tensor.shape),
        "dtype": str(tensor.dtype).removeprefix("torch."),
    }
    if not tensor.is_floating_point():
        # Which numbers stand for something only the network knows: tokens, masks.
        if tensor.numel() > MOST_VALUES:
            count = f"{tensor.numel():,} integers, more than the {MOST_VALUES:,} that a file may hold"
            raise UsageError(f"the input {cut(name)} of the example has {count}: pass a shorter one")
        plan["values"] = tensor.flatten().tolist()
    return plan


def _tensor(plan: Mapping[str, Any]) -> Tensor:
    dtype, shape = _DTYPES[plan["dtype"]], tuple(plan["shape"])
    if plan.get("values") is None:
        return torch.zeros(shape, dtype=dtype)
    return torch.tensor(plan["values"], dtype=dtype).reshape(shape)
