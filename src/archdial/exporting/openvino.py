"""OpenVINO's intermediate representation, run by OpenVINO on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from archdial.common.libraries import imported
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.file_format import INPUT, OUTPUT, Format, Run


class OpenVino(Format):
    """Two files: the graph in .xml, and beside it the weights in .bin."""

    name = "openvino"
    suffix = ".xml"
    runtime = "openvino"
    libraries = ("openvino",)
    extra = "openvino"

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return graph and weights."""
        return path, path.with_suffix(".bin")

    def write(self, module: nn.Module, input_shape: tuple[int, ...], path: Path) -> None:
        """Write the program with weights of 32 bits."""
        library = self._library()
        program = captured_portable(module, input_shape, any_batch=True)
        model = library.convert_model(program, input=[library.PartialShape([-1, *input_shape])])
        model.input(0).get_tensor().set_names({INPUT})
        model.output(0).get_tensor().set_names({OUTPUT})
        library.save_model(model, path, compress_to_fp16=False)

    def load(self, path: Path) -> Run:
        """Return the compiled model; left alone, OpenVINO computes in bfloat16 where the CPU can."""
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            # A thread that is bound to a core waits for whatever else runs there.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self._library().Core().compile_model(path, "CPU", settings)

        def run(images: Tensor) -> Tensor:
            return torch.from_numpy(compiled([images.numpy()])[0])

        return run

    def _library(self) -> Any:
        return imported(self.runtime, f"the format {self.name!r}", self.extra)
