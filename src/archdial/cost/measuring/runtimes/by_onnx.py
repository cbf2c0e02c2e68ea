"""Shared by runtimes that read ONNX: what they are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archdial.cost.measuring.runtimes.interface import Runtime

if TYPE_CHECKING:
    from torch import Tensor, nn

    from archdial.cost.measuring.runtimes.onnx_model import Sent


class ByOnnx(Runtime):
    """Converts to an ONNX model, channels first."""

    layout = "channels_first"
    eight_bits = True

    def convert(self, module: nn.Module, *examples: Tensor) -> Sent:
        """Return the module as an ONNX model, and its inputs."""
        # Not at the top: the process that measures reads the model, and has no use for what writes it.
        from archdial.cost.measuring.runtimes.onnx_model import with_inputs

        return with_inputs(module, *examples)
