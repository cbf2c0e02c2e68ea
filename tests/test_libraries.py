"""Libraries that only some need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archdial.errors import UsageError
from archdial.libraries import check_installed


def test_what_is_missing_is_named() -> None:
    check_installed("this test", ["json", "pytest"], "dev")
    with pytest.raises(UsageError, match=r'this test needs no_such_library, .*: pip install "archdial\[dev\]"'):
        check_installed("this test", ["json", "no_such_library"], "dev")


def test_no_library_notes_its_use(tmp_path: Path) -> None:
    code = "from archdial.libraries import imported as i; i('onnxruntime', 'it', 'x'); i('openvino', 'it', 'x').Core()"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    homes = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env={**environment, **homes})
    assert list(tmp_path.iterdir()) == []
