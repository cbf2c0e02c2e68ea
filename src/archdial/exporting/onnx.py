"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from archdial.common.libraries import imported
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.file_format import Format, Run, one_or_all
from archdial.exporting.signature import Signature
from archdial.networks.eight_bits.deployed import deployed


class Onnx(Format):
    """One file, weights included."""

    name = "onnx"
    suffix = ".onnx"
    runtime = "onnxruntime"
    libraries: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnxruntime"

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the program by torch's own exporter."""
        program = captured_portable(deployed(module), signature, any_batch=True)
        names = {"input_names": list(signature.inputs), "output_names": list(signature.outputs)}
        torch.onnx.export(program, (), path, **names, dynamo=True, external_data=False, verbose=False)  # type: ignore[arg-type]

    def load(self, path: Path) -> Run:
        """Return a session on the CPU."""
        runtime = imported(self.runtime, f"the format {self.name!r}", self.extra)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        names = [one.name for one in session.get_inputs()]

        def run(*inputs: Tensor) -> Any:
            given = {name: tensor.numpy() for name, tensor in zip(names, inputs, strict=True)}
            return one_or_all([torch.from_numpy(one) for one in session.run(None, given)])

        return run
