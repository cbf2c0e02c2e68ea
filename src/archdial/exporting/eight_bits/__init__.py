"""Members in eight bits, by the quantizers of the runtimes themselves: ONNX Runtime, OpenVINO (NNCF), ExecuTorch."""

from archdial.exporting.eight_bits.quantized import Quantized
from archdial.exporting.eight_bits.quantizers import QUANTIZERS, quantizer_format
from archdial.exporting.eight_bits.writing import quantize, written

__all__ = ["QUANTIZERS", "Quantized", "quantize", "quantizer_format", "written"]
