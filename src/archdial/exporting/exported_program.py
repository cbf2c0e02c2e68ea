"""A module as torch.export sees it, for a batch of any size or for one image."""

from __future__ import annotations

import torch
from torch import nn
from torch.export import Dim, ExportedProgram

from archdial.networks.portable import in_one_layout, row_major


def captured(module: nn.Module, input_shape: tuple[int, ...], *, any_batch: bool) -> ExportedProgram:
    """Return the program of `module` for images of `input_shape`: (n, *input_shape), or one with `any_batch` off."""
    # Two images where any number may come: a batch of one would be taken for a constant.
    example = torch.zeros(2 if any_batch else 1, *input_shape)
    shapes = ({0: Dim("batch")},) if any_batch else None
    return torch.export.export(module, (example,), dynamic_shapes=shapes)


def captured_portable(module: nn.Module, input_shape: tuple[int, ...], *, any_batch: bool) -> ExportedProgram:
    """Return the program as `captured` does, for runtimes other than PyTorch, without its memory layouts."""
    return in_one_layout(captured(row_major(module), input_shape, any_batch=any_batch))
