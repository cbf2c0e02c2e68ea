"""Removing torch's wrappers from a network; unsupported ones are reported with the fix."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

from archdial.common.errors import UsageError, cut, first_line

_QUANTISED = (
    "torch.ao.nn.quantized",
    "torch.ao.nn.intrinsic.quantized",
    "torch.nn.quantized",
    "torchao.",
    "bitsandbytes.",
    "auto_gptq.",
    "awq.",
)
"""Where the modules and the tensors of quantised networks are from."""


def bare(model: nn.Module) -> nn.Module:
    """Return the network within what torch.compile, DataParallel or DistributedDataParallel made of it."""
    for _ in range(8):
        is_parallel = isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel)
        inner = getattr(model, "module" if is_parallel else "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            break
        model = inner
    return model


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network within `model`, as Python runs it; its modules and parameters are those of `model`.

    Raises:
        UsageError: it, or a submodule, is TorchScript, or quantised.
    """
    model = bare(model)
    if fault := _scripted(model):
        raise UsageError(fault)
    if fault := _quantised(model):
        raise UsageError(f"{type(model).__name__} {fault}")
    # A copy of the outermost module, that shares all else, does not run what model.compile() made.
    return copy.copy(model) if getattr(model, "_compiled_call_impl", None) is not None else model


def _scripted(model: nn.Module) -> str:
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            what = f"{cut(name)} in {type(model).__name__}, a submodule" if name else "a model"
            fix = "put there" if name else "pass"
            return (
                f"{what} is TorchScript ({type(module).__name__}), which cannot be traced as Python: {fix} the "
                "torch.nn.Module it was made from, with model.load_state_dict(scripted.state_dict())"
            )
    return ""


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return chain(model.named_parameters(), model.named_buffers())


def _quantised(model: nn.Module) -> str:
    of_modules = ((name, type(module)) for name, module in model.named_modules())
    # Of a parameter the class of its values, where they have one.
    of_tensors = ((name, type(tensor.data)) for name, tensor in _tensors(model))
    for name, kind in (*of_modules, *of_tensors):
        if f"{kind.__module__}.".startswith(_QUANTISED):
            where = f"{name} is a " if name else "it is a "
            return (
                f"is quantised ({where}{kind.__module__}.{kind.__name__}): pass the float32 network, and quantise "
                "the member you choose"
            )
    return ""


def _without_values(tensors: Iterable[tuple[str, Tensor]]) -> str:
    for name, tensor in tensors:
        if tensor.is_meta:
            return (
                f"has no values, being on the meta device ({name}): call model.to_empty(device='cpu') and load its "
                "weights, or create it on the CPU"
            )
    return ""


@contextmanager
def told_of_weights(model: nn.Module, example: Iterable[Tensor]) -> Iterator[None]:
    """Make what fails within say that `model` has weights of half precision on the CPU, where it has.

    Some networks run so, others lack an operation there, or differ from their graph by how they are rounded.

    Raises:
        UsageError: the model has no values, and the example has.
    """
    if (fault := _without_values(_tensors(model))) and not any(tensor.is_meta for tensor in example):
        raise UsageError(f"{type(model).__name__} {fault}")
    try:
        yield
    except (UsageError, RuntimeError) as error:
        if fault := _half(_tensors(model)):
            raise UsageError(
                f"{type(model).__name__} {fault}: pass model.float() and a float32 example "
                f"({cut(first_line(error), 200)})"
            ) from error
        raise


def _half(tensors: Iterable[tuple[str, Tensor]]) -> str:
    for name, tensor in tensors:
        if tensor.is_floating_point() and tensor.dtype.itemsize < 4 and tensor.device.type == "cpu":
            return f"has {tensor.dtype} weights ({name}) and cannot be captured with them on the CPU"
    return ""
