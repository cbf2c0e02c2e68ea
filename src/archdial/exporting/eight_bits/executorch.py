"""Eight bits for ExecuTorch, by XNNPACK's quantizer over torchao's PT2E."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import torch
from torch import fx, nn

from archdial.cost.measuring.runtimes.executorch_runtime import lowered
from archdial.exporting.eight_bits.quantizer import Quantizer
from archdial.exporting.executorch import ExecuTorch
from archdial.exporting.exported_program import captured_portable
from archdial.exporting.signature import Signature
from archdial.networks.portable import scaled

_PT2E = "torchao.quantization.pt2e.quantize_pt2e"
_QUANTIZER = "executorch.backends.xnnpack.quantizer.xnnpack_quantizer"

_SCALAR = {
    torch.ops.aten.add.Tensor: torch.ops.aten.add.Scalar,
    torch.ops.aten.mul.Tensor: torch.ops.aten.mul.Scalar,
}


class EightBitExecuTorch(Quantizer, ExecuTorch):
    """Symmetric, weights by channel, what XNNPACK has kernels for; the rest stays in float."""

    libraries = (*ExecuTorch.libraries, "torchao")

    def write(self, module: nn.Module, signature: Signature, path: Path) -> None:
        """Write the program for one example, quantised."""
        pt2e, xnnpack = import_module(_PT2E), import_module(_QUANTIZER)
        program = captured_portable(scaled(module), signature, any_batch=False)
        scheme = xnnpack.XNNPACKQuantizer().set_global(xnnpack.get_symmetric_quantization_config(is_per_channel=True))
        observed = pt2e.prepare_pt2e(_keeping_integers(program.module()), scheme)
        with torch.no_grad():
            for example in self.calibration.batches(1):
                observed(*example)
        quantised = pt2e.convert_pt2e(observed)
        path.write_bytes(lowered(torch.export.export(quantised, signature.batch(1))))


def _keeping_integers(module: fx.GraphModule) -> fx.GraphModule:
    """Return `module` with numbers that are added to integers kept as they are.

    XNNPACK's quantizer (1.4) makes them float, and positions that are computed so are no indices any more.
    """
    for node in module.graph.nodes:
        whole = node.target in _SCALAR and not node.meta["val"].is_floating_point()
        if whole and not isinstance(node.args[1], fx.Node):
            node.target = _SCALAR[node.target]
    module.recompile()
    return module
