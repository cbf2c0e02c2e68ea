"""Eight bits for ONNX Runtime, by its own static quantisation: QDQ, weights by channel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from archdial.common.libraries import imported
from archdial.exporting.calibration import Calibration
from archdial.exporting.eight_bits.quantizer import Quantizer
from archdial.exporting.onnx import Onnx
from archdial.exporting.signature import Signature

BATCH = 32
"""Examples at a time while ranges are found."""


class EightBitOnnx(Quantizer, Onnx):
    """Activations as unsigned, weights as signed eight bits: what processors have instructions for."""

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the float file beside `path`, fold what ONNX Runtime folds, and quantise it."""
        quantization = imported("onnxruntime.quantization", "int8 for onnxruntime", self.extra)
        shapes = imported("onnxruntime.quantization.shape_inference", "int8 for onnxruntime", self.extra)
        plain, folded = path.with_suffix(".float"), path.with_suffix(".folded")
        try:
            super().write(module, signature, plain)
            shapes.quant_pre_process(plain, folded, skip_symbolic_shape=True)
            quantization.quantize_static(
                folded,
                path,
                _reader(quantization, self.calibration),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        finally:
            plain.unlink(missing_ok=True)
            folded.unlink(missing_ok=True)


def _reader(quantization: Any, calibration: Calibration) -> Any:
    """Return `calibration` as the class that ONNX Runtime asks for."""

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rest: Iterator[dict[str, Any]] = calibration.named(BATCH)

        def get_next(self) -> dict[str, Any] | None:
            return next(self.rest, None)

    return Reader()
