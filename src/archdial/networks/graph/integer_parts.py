"""What nodes that compute in eight bits cost, and the borders to those in float."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from archdial.networks.eight_bits.integers import IntegerLayer
from archdial.networks.eight_bits.layers import can_be_in_eight_bits
from archdial.networks.eight_bits.part import IntegerPart
from archdial.networks.supernet import Part


def in_integers(part: Part, *, biased: bool) -> Part:
    """Return `part`, of a node in float, in eight bits; `biased` if it takes in the offset of a normalisation."""
    with torch.no_grad():
        given = part.module(*(tensor.float() for tensor in part.inputs))
    layer = can_be_in_eight_bits(part.module)
    body = IntegerLayer(part.module, biased=biased) if layer else part.module
    module = IntegerPart(body, part.inputs, given)
    family = f"int8 {part.family}" if part.family else ""
    return replace(
        part,
        key=f"int8 {part.key}{'+bias' if layer and biased else ''}",
        module=module,
        inputs=module.inputs(part.inputs),
        family=family,
    )


def border(tensor: Tensor, layout: str, dimension: int | None, *, into: bool) -> Part:
    """Return what takes a tensor (1, …) in float, of a `layout`, `into` eight bits, or back from there."""
    kind = "quantize" if into else "dequantize"
    module = IntegerPart(nn.Identity(), [None if into else tensor], tensor if into else None)
    return Part(f"{kind}/{layout}", module, tuple(tensor.shape[1:]), module.inputs([tensor]), (dimension,))
