"""Eight bits for OpenVINO, by NNCF's quantisation after training."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from typing import Any

from torch import nn

from archdial.common.libraries import imported
from archdial.exporting.eight_bits.quantizer import Quantizer
from archdial.exporting.openvino import OpenVino
from archdial.exporting.signature import Signature


class EightBitOpenVino(Quantizer, OpenVino):
    """What NNCF finds safe in eight bits; the rest stays in float."""

    libraries = (*OpenVino.libraries, "nncf")

    def model(self, module: nn.Module, signature: Signature) -> Any:
        """Return OpenVINO's model of `module`, quantised."""
        nncf = imported("nncf", "int8 for openvino", self.extra)
        estimators = imported("nncf.quantization.range_estimator", "int8 for openvino", self.extra)
        # By default ranges are means over examples, which cut off a fifth of the outputs of small networks.
        whole = estimators.RangeEstimatorParametersSet.MINMAX
        # Its progress goes to standard output, where results are.
        with redirect_stdout(io.StringIO()):
            return nncf.quantize(
                super().model(module, signature),
                nncf.Dataset(list(self.calibration.named(1))),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(self.calibration),
                advanced_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=whole),
            )
