"""Eight bits for ExecuTorch, by XNNPACK's quantizer over torchao's PT2E."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import nn

from archdial.cost.measuring.runtimes.executorch_runtime import lowered
from archdial.exporting.eight_bits.calibration import Calibration
from archdial.exporting.executorch import ExecuTorch
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.signature import Signature
from archdial.networks.portable import scaled

_PT2E = "torchao.quantization.pt2e.quantize_pt2e"
_QUANTIZER = "executorch.backends.xnnpack.quantizer.xnnpack_quantizer"


class EightBitExecuTorch(ExecuTorch):
    """Symmetric, weights by channel, what XNNPACK has kernels for; the rest stays in float."""

    libraries = (*ExecuTorch.libraries, "torchao")

    def __init__(self, calibration: Calibration) -> None:
        """Take what ranges are found from."""
        self.calibration = calibration

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the program for one example, quantised."""
        pt2e, xnnpack = import_module(_PT2E), import_module(_QUANTIZER)
        program = captured_portable(scaled(module), signature, any_batch=False)
        scheme = xnnpack.XNNPACKQuantizer().set_global(xnnpack.get_symmetric_quantization_config(is_per_channel=True))
        observed = pt2e.prepare_pt2e(program.module(), scheme)
        with torch.no_grad():
            for example in self.calibration.batches(1):
                observed(*example)
        quantised = pt2e.convert_pt2e(observed)
        path.write_bytes(lowered(torch.export.export(quantised, signature.batch(1))))
