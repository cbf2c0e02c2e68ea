"""A file in its runtime, called as the module that it holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from archdial.exporting.calibration import inputs_of
from archdial.exporting.file_format import Format, Run
from archdial.exporting.signature import Signature
from archdial.tasks.task import tensors_in

Judge = Callable[[nn.Module], float]
"""Scores a network; larger need not be better."""


class FileNetwork(nn.Module):
    """Takes and gives what the module of the file does, for a batch of any size."""

    def __init__(self, run: Run, chosen: Format, signature: Signature, module: nn.Module) -> None:
        """Take the file's `run`, and from `module` in which form outputs come."""
        super().__init__()
        self.file, self.any_batch, self.signature = run, chosen.any_batch, signature
        with torch.inference_mode():
            given = module(*signature.batch(1))
        self.form = dict if isinstance(given, Mapping) else tuple if isinstance(given, tuple | list) else None

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Return the outputs for a batch: a tensor, a tuple or a dict, as the module's."""
        tensors = [tensor.contiguous() for tensor in inputs_of(tuple(self.signature.inputs), named or inputs)]
        found = self._run(tensors) if self.any_batch else self._one_by_one(tensors)
        if self.form is dict:
            return dict(zip(self.signature.outputs, found, strict=True))
        return found[0] if self.form is None else tuple(found)

    def _run(self, tensors: list[Tensor]) -> list[Tensor]:
        return list(tensors_in(self.file(*tensors)))

    def _one_by_one(self, tensors: list[Tensor]) -> list[Tensor]:
        # Outputs may lie in memory that the next run writes to.
        rows = [
            [one.clone() for one in self._run([tensor[row : row + 1] for tensor in tensors])]
            for row in range(len(tensors[0]))
        ]
        return [torch.cat(of_one) for of_one in zip(*rows, strict=True)]
