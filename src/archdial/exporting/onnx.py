"""ONNX, run by ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from archdial.common.libraries import imported
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.file_format import INPUT, OUTPUT, Format, Run


class Onnx(Format):
    """One file, weights included."""

    name = "onnx"
    suffix = ".onnx"
    runtime = "onnxruntime"
    libraries = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnxruntime"

    def write(self, module: nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
        """Write the program by torch's own exporter."""
        program = captured_portable(module, input_shape, any_batch=True)
        names = {"input_names": [INPUT], "output_names": [OUTPUT]}
        torch.onnx.export(program, (), path, **names, dynamo=True, external_data=False, verbose=False)  # type: ignore[arg-type]

    def load(self, path: Path) -> Run:
        """Return a session on the CPU."""
        runtime = imported(self.runtime, f"the format {self.name!r}", self.extra)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        session = runtime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

        def run(images: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {INPUT: images.numpy()})[0])

        return run
