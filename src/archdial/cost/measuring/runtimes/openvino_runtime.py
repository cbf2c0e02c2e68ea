"""OpenVINO on the CPU."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from archdial.cost.measuring.runtimes.by_onnx import ByOnnx
from archdial.cost.measuring.runtimes.interface import INPUT, keeping
from archdial.cost.measuring.timing import Call

if TYPE_CHECKING:
    import numpy

    from archdial.cost.measuring.runtimes.onnx_model import Sent


class OpenVino(ByOnnx):
    """A compiled model for one request at a time, inputs set beforehand."""

    name = "openvino"
    library = "openvino"
    needs = ("onnx", "onnxscript", "openvino")
    extra = "openvino"
    effort = 60

    def load(self, converted: Sent) -> Call:
        """Return a run of a request; it returns the request, which holds the outputs."""
        model, inputs = converted
        request = self._core.compile_model(self._core.read_model(model), "CPU", self._settings()).create_infer_request()
        for place in request.model_inputs:
            # What a part does not read is no input of its model.
            value = inputs[int(place.any_name.removeprefix(INPUT))]
            request.set_tensor(place, self._openvino.Tensor(value, shared_memory=True))

        def call() -> Any:
            request.infer(share_outputs=True)
            return request

        return keeping(call, inputs)

    def arrays(self, result: Any) -> list[numpy.ndarray]:
        """Return what the request's output tensors hold."""
        return [tensor.data.copy() for tensor in result.output_tensors]

    def _settings(self) -> dict[str, Any]:
        # Left to itself it computes in bfloat16 or float16 where the processor can.
        return {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self.threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }

    @cached_property
    def _core(self) -> Any:
        return self._openvino.Core()

    @cached_property
    def _openvino(self) -> Any:
        return self.imported("openvino")
