"""A module as an ONNX model with the fixed shapes of its examples."""

from __future__ import annotations

import io
from typing import Any

import numpy
import torch
from torch import Tensor, nn

from archdial.common.quiet import quiet
from archdial.cost.measuring.runtimes.interface import INPUT
from archdial.cost.measuring.runtimes.onnx_integers import teach
from archdial.networks.eight_bits.deployed import deployed
from archdial.networks.portable import row_major

OPSET = 17
"""As old as will do: what a phone or a board runs is seldom the newest."""

Sent = tuple[bytes, list[numpy.ndarray]]


def with_inputs(module: nn.Module, *examples: Tensor) -> Sent:
    """Return the ONNX model of `module`, and the arrays of `examples` (batch, …) to run it on."""
    return onnx_model(module, *examples), [example.detach().cpu().contiguous().numpy() for example in examples]


def onnx_model(module: nn.Module, *examples: Tensor) -> bytes:
    """Return `module` in evaluation mode as an ONNX model for inputs of the shapes of `examples` (batch, …).

    Its inputs are called input_0, input_1 and so on.

    Raises:
        Exception: whatever the exporter raises for a module that ONNX has no operators for.
    """
    names = [f"{INPUT}{number}" for number in range(len(examples))]
    plain = tuple(example.detach().contiguous() for example in examples)
    subject = deployed(row_major(module))
    with quiet(), torch.no_grad():
        try:
            # A hundred times as fast as the exporter by torch.export, which counts where there are dozens of parts.
            return _traced(subject, plain, names)
        except Exception:
            return _exported(subject, plain, names)


def _traced(module: nn.Module, examples: tuple[Tensor, ...], names: list[str]) -> bytes:
    teach(OPSET)
    stream = io.BytesIO()
    file: Any = stream
    torch.onnx.export(module, examples, file, input_names=names, opset_version=OPSET, dynamo=False)
    return stream.getvalue()


def _exported(module: nn.Module, examples: tuple[Tensor, ...], names: list[str]) -> bytes:
    program: Any = torch.onnx.export(module, examples, input_names=names, dynamo=True, verbose=False)
    return bytes(program.model_proto.SerializeToString())
