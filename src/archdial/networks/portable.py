"""Modules and programs in the form that other runtimes need."""

from __future__ import annotations

import torch
from torch import nn
from torch.export import ExportedProgram
from torch.nn.modules.batchnorm import _BatchNorm


def row_major(module: nn.Module) -> nn.Module:
    """Return `module` itself, in evaluation mode and without the memory layout in which PyTorch is fast.

    No copy, as that of a large graph takes a tenth of a second: whoever converts has a module of its own.
    """
    return module.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def in_one_layout(program: ExportedProgram) -> ExportedProgram:
    """Take out of `program` what asks for a memory layout: other runtimes choose their own, some refuse to mix two."""
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.contiguous.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    program.graph_module.recompile()
    return program


def scaled(module: nn.Module) -> nn.Module:
    """Give each BatchNorm in `module` without scale and offset ones and zeros.

    The pass of ExecuTorch (1.4, 1.5) that folds it into a convolution mixes up two without.
    """
    for norm in module.modules():
        if isinstance(norm, _BatchNorm) and norm.weight is None and norm.running_mean is not None:
            norm.weight = nn.Parameter(torch.ones_like(norm.running_mean))
            norm.bias = nn.Parameter(torch.zeros_like(norm.running_mean))
    return module
