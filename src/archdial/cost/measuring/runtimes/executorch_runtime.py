"""ExecuTorch with XNNPACK, as on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from archdial.common.quiet import quiet
from archdial.cost.measuring.runtimes.interface import Runtime, as_arrays, keeping
from archdial.cost.measuring.runtimes.lean import lean
from archdial.cost.measuring.timing import Call
from archdial.networks.eight_bits.deployed import deployed
from archdial.networks.eight_bits.part import IntegerPart
from archdial.networks.portable import in_one_layout, row_major, scaled

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
    eight_bits = True

    def networks(self, parts: int, *, mixed: bool = False) -> int:
        """Return how many networks a table is fitted to: no more if `mixed`, as each takes seconds to lower."""
        return super().networks(parts)

    def convert(self, module: nn.Module, *examples: Tensor) -> Sent:
        """Return the module as a program, and its inputs."""
        if isinstance(module, IntegerPart):
            examples = module.signed(examples)
        plain = tuple(example.detach().contiguous() for example in examples)
        subject = _Named(_folded(scaled(deployed(row_major(module), signed=True))))
        with quiet(), torch.no_grad():
            return _lowered_quickly(in_one_layout(torch.export.export(subject, plain, strict=False))), plain

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
        """Give XNNPACK's pool the number of threads."""
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


def _folded(module: nn.Module) -> nn.Module:
    """Return `module` with BatchNorm folded into convolutions, as XNNPACK's passes do it: a quarter less to convert."""
    from torch.fx.experimental.optimization import fuse

    try:
        return fuse(module)
    except Exception:  # What cannot be traced again, for whatever reason, is left to the passes.
        return module


def _lowered_quickly(program: torch.export.ExportedProgram) -> bytes:
    """Return what `lowered` does in a part of the time; only to measure, as it reaches into torch and ExecuTorch."""
    try:
        with lean():
            return lowered(program)
    except Exception:  # If it is no fault of the shorter way, the long one says what is wrong.
        return lowered(program)


def lowered(program: torch.export.ExportedProgram) -> bytes:
    """Return `program` as ExecuTorch's, with all that XNNPACK knows handed to it."""
    partitioner = import_module(_XNNPACK).XnnpackPartitioner()
    edge = import_module(_EXIR).to_edge_transform_and_lower(program, partitioner=[partitioner])
    return bytes(edge.to_executorch().buffer)
