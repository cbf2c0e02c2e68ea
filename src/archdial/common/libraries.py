"""Optional libraries: what to install if one is missing, and no telemetry unless requested."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from archdial.common.errors import UsageError
from archdial.common.quiet import quiet


def install_command(extra: str) -> str:
    """Return the command that installs an extra of archdial."""
    return f'pip install "archdial[{extra}]"'


def check_installed(what: str, libraries: Sequence[str], extra: str) -> None:
    """Raise UsageError unless `libraries` are installed: `what` needs them, and `extra` of archdial brings them."""
    for library in libraries:
        if find_spec(library) is None:
            raise _missing(what, library, extra, "is missing")


def imported(library: str, what: str, extra: str) -> Any:
    """Return the module called `library`, which `what` needs and `extra` of archdial brings.

    Unless they were imported before, ONNX Runtime and OpenVINO send no record of their use over the network.

    Raises:
        UsageError: it cannot be imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # OpenVINO has no switch, but does without where its telemetry package is missing.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        with quiet():
            return importlib.import_module(library)
    except ImportError as error:
        raise _missing(what, library, extra, f"cannot be imported ({error})") from None


def _missing(what: str, library: str, extra: str, how: str) -> UsageError:
    return UsageError(f"{what} needs {library}, which {how}: {install_command(extra)}")
