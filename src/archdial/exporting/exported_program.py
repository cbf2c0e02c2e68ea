"""A module captured by torch.export, for any batch size or for one image."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from archdial.exporting.signature import Signature
from archdial.networks.portable import in_one_layout, row_major


def captured(module: nn.Module, signature: Signature, *, any_batch: bool) -> ExportedProgram:
    """Return the program of `module` for a batch of inputs by `signature`, or for one with `any_batch` off."""
    # Two where any number may come: a batch of one would be taken for a constant.
    example, batch = signature.batch(2 if any_batch else 1), Dim("batch")
    shapes = _side_by_side(module, [{0: batch} for _ in example]) if any_batch else None
    return torch.export.export(module, example, dynamic_shapes=shapes)


def _side_by_side(module: nn.Module, dimensions: list[dict[int, Any]]) -> Any:
    """Return what changes of each input, in the form of the module's arguments."""
    starred = any(one.kind is one.VAR_POSITIONAL for one in inspect.signature(module.forward).parameters.values())
    return (tuple(dimensions),) if starred else tuple(dimensions)


def captured_portable(module: nn.Module, signature: Signature, *, any_batch: bool) -> ExportedProgram:
    """Return the program as `captured` does, for runtimes other than PyTorch, without its memory layouts."""
    return in_one_layout(captured(row_major(module), signature, any_batch=any_batch))
