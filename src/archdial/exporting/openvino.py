"""OpenVINO's intermediate representation, run by OpenVINO on a CPU."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from archdial.common.libraries import check_installed, imported
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.file_format import Format, Run, one_or_all
from archdial.exporting.onnx import Onnx
from archdial.exporting.signature import Signature
from archdial.networks.eight_bits.deployed import has_eight_bits


class OpenVino(Format):
    """Two files: the graph in .xml, and beside it the weights in .bin."""

    name = "openvino"
    suffix = ".xml"
    runtime = "openvino"
    libraries: ClassVar[tuple[str, ...]] = ("openvino",)
    extra = "openvino"

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return graph and weights."""
        return path, path.with_suffix(".bin")

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the model, weights in the bits that it has."""
        self._library().save_model(self.model(module, signature), path, compress_to_fp16=False)

    def model(self, module: nn.Module, signature: Signature) -> Any:
        """Return OpenVINO's model of `module`, in the bits in which that computes."""
        model = self._by_onnx(module, signature) if has_eight_bits(module) else self._converted(module, signature)
        for number, name in enumerate(signature.inputs):
            model.input(number).get_tensor().set_names({name})
        for number, name in enumerate(signature.outputs):
            model.output(number).get_tensor().set_names({name})
        return model

    def _converted(self, module: nn.Module, signature: Signature) -> Any:
        library = self._library()
        program = captured_portable(module, signature, any_batch=True)
        shapes = [library.PartialShape([-1, *tensor.shape[1:]]) for tensor in signature.inputs.values()]
        return library.convert_model(program, input=shapes)

    def _by_onnx(self, module: nn.Module, signature: Signature) -> Any:
        # Of weights in eight bits OpenVINO (2026.4) makes convolutions of integers where it reads PyTorch's program.
        chosen = Onnx()
        check_installed("int8 for openvino", ("onnx", "onnxscript"), self.extra)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model{Onnx.suffix}"
            chosen.write(module, signature, path)
            # Not by convert_model, which gives Python's root logger a stream that may be closed later.
            return self._library().Core().read_model(path)

    def load(self, path: Path) -> Run:
        """Return the compiled model; left alone, OpenVINO computes in bfloat16 where the CPU can."""
        settings = {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # A thread that is bound to a core waits for whatever else runs there.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = self._library().Core().compile_model(path, "CPU", settings)
        # One request for all calls: to make it takes longer than to run a small network.
        request, count = compiled.create_infer_request(), len(compiled.outputs)

        def run(*inputs: Tensor) -> Any:
            found = request.infer([tensor.numpy() for tensor in inputs], share_inputs=True)
            return one_or_all([torch.from_numpy(found[number]) for number in range(count)])

        return run

    def _library(self) -> Any:
        return imported(self.runtime, f"the format {self.name!r}", self.extra)
