"""ExecuTorch programs for phones and boards, run with XNNPACK."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from archdial.cost.measuring.runtimes.executorch_runtime import lowered
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.file_format import Format, Run, one_or_all
from archdial.exporting.signature import Signature
from archdial.networks.eight_bits.deployed import deployed
from archdial.networks.portable import scaled


class ExecuTorch(Format):
    """One file for one image at a time: its memory is planned when it is written."""

    name = "executorch"
    suffix = ".pte"
    runtime = "executorch"
    any_batch = False
    libraries: ClassVar[tuple[str, ...]] = ("executorch",)
    extra = "executorch"

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the program with all that XNNPACK knows handed to it."""
        program = captured_portable(scaled(deployed(module, signed=True)), signature, any_batch=False)
        path.write_bytes(lowered(program))

    def load(self, path: Path) -> Run:
        """Return the program's forward; the number of threads is one for all of ExecuTorch in this process."""
        from executorch.extension.pybindings import portable_lib
        from executorch.runtime import Runtime

        portable_lib._unsafe_reset_threadpool(torch.get_num_threads())
        method = Runtime.get().load_program(path).load_method("forward")

        def run(*inputs: Tensor) -> Any:
            return one_or_all(method.execute(list(inputs)))

        return run
