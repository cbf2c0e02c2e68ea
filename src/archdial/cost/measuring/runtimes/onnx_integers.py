"""How torch's exporter by tracing writes eight bits: QuantizeLinear and DequantizeLinear."""

from __future__ import annotations

from typing import Any

import torch
from torch.onnx.symbolic_helper import parse_args

_SET = "quantized_decomposed"
_INT8 = 3
"""Of ONNX's types of tensors."""


def teach(opset: int) -> None:
    """Let torch.onnx.export write the operators that go to eight bits and back."""
    onnx: Any = torch.onnx
    known = {"quantize_per_tensor": _quantize, "dequantize_per_tensor": _dequantize, "dequantize_per_channel": _weights}
    for name, write in known.items():
        # Not among the names that its type stub exports.
        onnx.register_custom_op_symbolic(f"{_SET}::{name}", write, opset)


@parse_args("v", "f", "i", "i", "i", "i")
def _quantize(graph: Any, inputs: Any, scale: float, zero: int, least: int, most: int, kind: int) -> Any:
    return graph.op("QuantizeLinear", inputs, *_grid(graph, scale, zero, least))


@parse_args("v", "f", "i", "i", "i", "i", "none")
def _dequantize(graph: Any, inputs: Any, scale: float, zero: int, least: int, most: int, kind: int, out: None) -> Any:
    return graph.op("DequantizeLinear", inputs, *_grid(graph, scale, zero, least))


@parse_args("v", "v", "v", "i", "i", "i", "i", "none")
def _weights(
    graph: Any, inputs: Any, scales: Any, zeros: Any, axis: int, least: int, most: int, kind: int, out: None
) -> Any:
    whole = graph.op("Cast", zeros, to_i=_INT8)
    return graph.op("DequantizeLinear", inputs, scales, whole, axis_i=axis)


def _grid(graph: Any, scale: float, zero: int, least: int) -> tuple[Any, Any]:
    kind = torch.int8 if least < 0 else torch.uint8
    return (
        graph.op("Constant", value_t=torch.tensor(scale, dtype=torch.float32)),
        graph.op("Constant", value_t=torch.tensor(zero, dtype=kind)),
    )
