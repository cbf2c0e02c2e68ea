"""The quantizers by runtime."""

from __future__ import annotations

from archdial.common.errors import UsageError
from archdial.exporting.eight_bits.executorch import EightBitExecuTorch
from archdial.exporting.eight_bits.onnx import EightBitOnnx
from archdial.exporting.eight_bits.openvino import EightBitOpenVino

Quantizer = EightBitOnnx | EightBitOpenVino | EightBitExecuTorch
"""A format that writes eight bits."""

QUANTIZERS: dict[str, type[Quantizer]] = {
    kind.runtime: kind for kind in (EightBitOnnx, EightBitOpenVino, EightBitExecuTorch)
}


def quantizer_format(runtime: str) -> type[Quantizer]:
    """Return the format in eight bits that `runtime` runs.

    Raises:
        UsageError: there is none.
    """
    if runtime not in QUANTIZERS:
        *most, last = QUANTIZERS
        raise UsageError(f"runtime {runtime!r} has no quantizer: expected {', '.join(most)} or {last}")
    return QUANTIZERS[runtime]
