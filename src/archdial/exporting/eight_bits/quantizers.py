"""The quantizers by runtime."""

from __future__ import annotations

from archdial.common.errors import UsageError
from archdial.exporting.eight_bits.executorch import EightBitExecuTorch
from archdial.exporting.eight_bits.onnx import EightBitOnnx
from archdial.exporting.eight_bits.openvino import EightBitOpenVino
from archdial.exporting.eight_bits.quantizer import Quantizer

_ALL: tuple[type[Quantizer], ...] = (EightBitOnnx, EightBitOpenVino, EightBitExecuTorch)
QUANTIZERS = {kind.runtime: kind for kind in _ALL}


def quantizer_format(runtime: str) -> type[Quantizer]:
    """Return the format in eight bits that `runtime` runs.

    Raises:
        UsageError: there is none.
    """
    if runtime not in QUANTIZERS:
        *most, last = QUANTIZERS
        raise UsageError(f"runtime {runtime!r} has no quantizer: expected {', '.join(most)} or {last}")
    return QUANTIZERS[runtime]
