"""Libraries that only some need: what to install where one is missing, and none that reports its use unasked."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from archdial.errors import UsageError


def check_installed(what: str, libraries: Sequence[str], extra: str) -> None:
    """Raise UsageError unless `libraries` are installed: `what` needs them, and `extra` of archdial brings them."""
    for library in libraries:
        if find_spec(library) is None:
            raise UsageError(f'{what} needs {library}, which is missing: pip install "archdial[{extra}]"')


def onnxruntime() -> Any:
    """Return ONNX Runtime; unless it was imported before, it sends no record of its use over the network."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime


def openvino() -> Any:
    """Return OpenVINO; unless it was imported before, it sends no record of its use over the network."""
    # It has no switch, but does without where its telemetry package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
