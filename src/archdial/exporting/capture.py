"""A module as torch.export sees it, for a batch of any size or for one image."""

from __future__ import annotations

import copy

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram


def captured(module: nn.Module, input_shape: tuple[int, ...], *, any_batch: bool) -> ExportedProgram:
    """Return the program of `module` for images of `input_shape`: (n, *input_shape), or one with `any_batch` off."""
    # Two images where any number may come: a batch of one would be taken for a constant.
    example = torch.zeros(2 if any_batch else 1, *input_shape)
    shapes = ({0: Dim("batch")},) if any_batch else None
    return torch.export.export(module, (example,), dynamic_shapes=shapes)


def row_major(module: nn.Module) -> nn.Module:
    """Return a copy without the memory layout in which PyTorch is fast: other runtimes choose their own."""
    plain: nn.Module = copy.deepcopy(module)
    plain.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    if isinstance(plain, fx.GraphModule):
        _drop_layouts(plain)
    return plain


def _drop_layouts(module: fx.GraphModule) -> None:
    for node in list(module.graph.nodes):
        if node.op == "call_method" and node.target == "contiguous" and "memory_format" in node.kwargs:
            node.replace_all_uses_with(node.args[0])
            module.graph.erase_node(node)
    module.recompile()
