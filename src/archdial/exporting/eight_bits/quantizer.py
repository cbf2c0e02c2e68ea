"""The interface of quantizers: formats that write eight bits."""

from __future__ import annotations

from archdial.exporting.calibration import Calibration
from archdial.exporting.file_format import Format


class Quantizer(Format):
    """A format whose files hold eight bits, listed before the format of the same files in float32 that it derives from.

    Attributes:
        calibration: what ranges of activations are found from.
    """

    def __init__(self, calibration: Calibration) -> None:
        """Take what ranges are found from."""
        self.calibration = calibration
