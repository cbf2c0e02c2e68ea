"""Inputs and outputs of an exported file: names, types and shapes, and inputs to test it with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from archdial.networks.example import Inputs, flat
from archdial.tasks.task import tensors_in

INPUT, OUTPUT = "images", "logits"
"""What the input and the output of a file are called that takes images, where the format has names."""


@dataclass(frozen=True, eq=False)
class Signature:
    """Inputs and outputs of a file.

    Attributes:
        inputs: for a batch of one, by name, in the order in which the module takes them.
        outputs: names, in the order of the module's tensors.
    """

    inputs: Mapping[str, Tensor]
    outputs: tuple[str, ...]

    @classmethod
    def of_images(cls, shape: Sequence[int]) -> Signature:
        """Return that of a member for images of `shape`, without the batch."""
        return cls({INPUT: torch.zeros(1, *shape)}, (OUTPUT,))

    @classmethod
    def of(cls, module: nn.Module, example: Inputs) -> Signature:
        """Return that of a member which takes such as `example`: by its names, or those of the module's arguments.

        What it does not take any more, as labels after `archdial.without_loss`, is left out.
        """
        if isinstance(example, Mapping) and isinstance(module, fx.GraphModule):
            taken = {str(node.target) for node in module.graph.find_nodes(op="placeholder")}
            example = {name: part for name, part in example.items() if name in taken} or example
        tensors = [tensor[:1] for tensor in flat(example)]
        named = isinstance(example, Mapping) and len(example) == len(tensors)
        names = list(example) if named else [f"input_{number}" for number in range(len(tensors))]
        with torch.inference_mode():
            given = module(*tensors)
        return cls(dict(zip(names, tensors, strict=True)), tuple(_names(given)))

    def batch(self, size: int) -> tuple[Tensor, ...]:
        """Return inputs of a batch: those of the example again and again."""
        return tuple(tensor.expand(size, *tensor.shape[1:]).contiguous() for tensor in self.inputs.values())

    def drawn(self, size: int) -> tuple[Tensor, ...]:
        """Return random inputs of a batch: of integers those of the example in another order, which all are known."""
        generator = torch.Generator().manual_seed(size)
        return tuple(_drawn(tensor, size, generator) for tensor in self.inputs.values())

    def inputs_json(self, batch: str | int) -> list[dict[str, Any]]:
        """Return name, shape and type of each input."""
        return [
            {"name": name, "shape": [batch, *tensor.shape[1:]], "dtype": str(tensor.dtype).removeprefix("torch.")}
            for name, tensor in self.inputs.items()
        ]


def _names(given: Any) -> list[str]:
    if isinstance(given, Mapping):
        return list(given)
    count = len(tensors_in(given))
    return ["output"] if count == 1 else [f"output_{number}" for number in range(count)]


def _drawn(tensor: Tensor, size: int, generator: torch.Generator) -> Tensor:
    if tensor.is_floating_point():
        return torch.randn(size, *tensor.shape[1:], generator=generator).to(tensor.dtype)
    orders = [torch.randperm(tensor.numel(), generator=generator) for _ in range(size)]
    return torch.stack([tensor.flatten()[order].reshape(tensor.shape[1:]) for order in orders])
