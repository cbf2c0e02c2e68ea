"""ExecuTorch's program for phones and boards, run by XNNPACK."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archdial.exporting.base import Format, Run
from archdial.exporting.capture import captured, row_major


class ExecuTorch(Format):
    """One file for one image at a time: its memory is planned when it is written."""

    name = "executorch"
    suffix = ".pte"
    runtime = "executorch"
    any_batch = False
    libraries = ("executorch",)
    extra = "executorch"

    def write(self, module: nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
        """Write the program with all that XNNPACK knows handed to it."""
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower

        program = captured(_scaled(row_major(module)), input_shape, any_batch=False)
        lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)

    def load(self, path: Path) -> Run:
        """Return the program's forward; the number of threads is one for all of ExecuTorch in this process."""
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

        portable_lib._unsafe_reset_threadpool(torch.get_num_threads())
        method = Runtime.get().load_program(path).load_method("forward")

        def run(images: Tensor) -> Tensor:
            output: Tensor = method.execute([images])[0]
            return output

        return run


def _scaled(module: nn.Module) -> nn.Module:
    """Give each BatchNorm without scale and offset a 1 and a 0 of its own.

    The pass of ExecuTorch 1.5 that folds BatchNorm into convolutions gives wrong numbers where several have none.
    """
    for part in module.modules():
        if isinstance(part, _BatchNorm) and not part.affine:
            part.weight, part.bias = (nn.Parameter(fill(part.num_features)) for fill in (torch.ones, torch.zeros))
    return module
