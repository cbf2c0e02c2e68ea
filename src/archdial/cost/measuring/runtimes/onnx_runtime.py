"""ONNX Runtime on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from archdial.cost.measuring.runtimes.by_onnx import ByOnnx
from archdial.cost.measuring.runtimes.interface import INPUT, keeping
from archdial.cost.measuring.timing import Call

if TYPE_CHECKING:
    import numpy

    from archdial.cost.measuring.runtimes.onnx_model import Sent

_ERRORS_ONLY = 3


class OnnxRuntime(ByOnnx):
    """A session with all of ONNX Runtime's optimisations, inputs and outputs bound beforehand."""

    name = "onnxruntime"
    library = "onnxruntime"
    needs = ("onnx", "onnxscript", "onnxruntime")
    extra = "onnxruntime"
    effort = 30

    def load(self, converted: Sent) -> Call:
        """Return a run of the model's session; it returns the outputs as ONNX Runtime's values."""
        model, inputs = converted
        session = self._session(model)
        binding = session.io_binding()
        for place in session.get_inputs():
            # What a part does not read is no input of its model.
            binding.bind_cpu_input(place.name, inputs[int(place.name.removeprefix(INPUT))])
        for place in session.get_outputs():
            binding.bind_output(place.name)

        def call() -> Any:
            session.run_with_iobinding(binding)
            return binding

        return keeping(call, inputs)

    def arrays(self, result: Any) -> list[numpy.ndarray]:
        """Return the outputs that are bound."""
        return [array.copy() for array in result.copy_outputs_to_cpu()]

    def _session(self, model: bytes) -> Any:
        onnxruntime = self.imported("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = _ERRORS_ONLY
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
