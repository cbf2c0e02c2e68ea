"""ExecuTorch with XNNPACK, as on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.cost.runtimes.base import Runtime, as_arrays, keeping, quiet
from archdial.cost.timing import Call

Sent = tuple[bytes, tuple[Tensor, ...]]

_PYBINDINGS = "executorch.extension.pybindings.portable_lib"
_EXIR = "executorch.exir"
_XNNPACK = "executorch.backends.xnnpack.partition.xnnpack_partitioner"


class ExecuTorch(Runtime):
    """A program of which XNNPACK runs all that it can, ExecuTorch's own portable kernels the rest."""

    name = "executorch"
    layout = "channels_first"
    library = "executorch"
    needs = (_PYBINDINGS, _EXIR, _XNNPACK)
    extra = "executorch"
    effort = 2000

    def convert(self, module: nn.Module, *examples: Tensor) -> Sent:
        """Return the module as a program, and its inputs."""
        plain = tuple(example.detach().contiguous() for example in examples)
        subject = _Named(_scaled(module.eval().to(memory_format=torch.contiguous_format)))  # type: ignore[call-overload]
        with quiet(), torch.no_grad():
            exported = _in_one_layout(torch.export.export(subject, plain, strict=False))
            partitioner = self.imported(_XNNPACK).XnnpackPartitioner()
            lowered = self.imported(_EXIR).to_edge_transform_and_lower(exported, partitioner=[partitioner])
            return bytes(lowered.to_executorch().buffer), plain

    def load(self, converted: Sent) -> Call:
        """Return a run of the program; it returns tensors in the program's own memory."""
        program, examples = converted
        loaded = self.imported(_PYBINDINGS)._load_for_executorch_from_buffer(program)

        def call() -> Any:
            return loaded.run_method("forward", examples, clone_outputs=False)

        return keeping(call, program)

    def arrays(self, result: Any) -> list[numpy.ndarray]:
        """Return copies of the outputs."""
        return as_arrays(result)

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Give XNNPACK's pool so many threads."""
        library = self.imported(_PYBINDINGS)
        before = library._threadpool_get_thread_count()
        library._unsafe_reset_threadpool(self.threads)
        try:
            yield
        finally:
            library._unsafe_reset_threadpool(before)


class _Named(nn.Module):
    """The module under a name: XNNPACK's passes look for parameters by names that may not begin with a number."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> Any:
        return self.module(*inputs)


def _scaled(module: nn.Module) -> nn.Module:
    """Give each BatchNorm without scale and offset ones and zeros: XNNPACK's pass mixes up two without."""
    for norm in module.modules():
        if isinstance(norm, _BatchNorm) and norm.weight is None and norm.running_mean is not None:
            norm.weight = nn.Parameter(torch.ones_like(norm.running_mean))
            norm.bias = nn.Parameter(torch.zeros_like(norm.running_mean))
    return module


def _in_one_layout(exported: torch.export.ExportedProgram) -> torch.export.ExportedProgram:
    """Take out what asks for a memory layout: ExecuTorch's kernels refuse to mix two, and XNNPACK has its own."""
    graph = exported.graph_module.graph
    for node in list(graph.nodes):
        if node.target is torch.ops.aten.contiguous.default:
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    exported.graph_module.recompile()
    return exported
