"""pt2: the archive of torch.export, run with plain PyTorch."""

from __future__ import annotations

import io
from pathlib import Path

import torch
from torch import nn

from archdial.exporting.exported_program import captured
from archdial.exporting.file_format import Format, Run
from archdial.exporting.signature import Signature
from archdial.networks.eight_bits.deployed import settled


class Pt2(Format):
    """`torch.export.load(path).module()` in any Python with torch."""

    name = "pt2"
    suffix = ".pt2"
    runtime = "eager"

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the program in the memory layout in which PyTorch is fast."""
        program = captured(settled(module), signature, any_batch=True)
        # The only part of the archive that would be pickled.
        program.example_inputs = None
        # In memory first: on a full disk torch's own writer ends the process.
        stream = io.BytesIO()
        torch.export.save(program, stream)
        path.write_bytes(stream.getvalue())

    def load(self, path: Path) -> Run:
        """Return the module in the archive."""
        return torch.export.load(path).module()
