"""Libraries that only some need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archdial.common.errors import UsageError
from archdial.common.libraries import check_installed
from tests import copied


def test_what_is_missing_is_named() -> None:
    check_installed("this test", ["json", "pytest"], "dev")
    with pytest.raises(UsageError, match=r'this test needs no_such_library, .*: pip install "archdial\[dev\]"'):
        check_installed("this test", ["json", "no_such_library"], "dev")


@pytest.mark.slow
def test_no_library_notes_its_use(tmp_path: Path) -> None:
    begin = "from archdial.common.libraries import imported as i"
    code = f"{begin}; i('onnxruntime', 'it', 'x'); i('openvino', 'it', 'x').Core()"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    homes = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env={**environment, **homes})
    assert list(tmp_path.iterdir()) == []


FEATURES = [
    ("pyarrow", "load({folder!r}, channels=1)", "data"),
    ("datasets", "load('somebody/pictures', channels=1)", "data"),
    ("plotly", "check_drawing('archdial report', page=True)", "report"),
    ("matplotlib", "check_drawing('archdial report', page=False)", "report"),
]
WITHOUT = """
import importlib.util, sys

class Hidden:
    def __init__(self, library):
        self.library = library
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == self.library:
            raise ModuleNotFoundError(name)

hidden, statement = sys.argv[1:]
assert hidden not in sys.modules
sys.meta_path.insert(0, Hidden(hidden))
import archdial.common.libraries as libraries
found = importlib.util.find_spec
libraries.find_spec = lambda name: None if name == hidden else found(name)
from archdial.common.errors import UsageError
from archdial.data import load
from archdial.cli.results import check_drawing
try:
    eval(statement)
except UsageError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies a process")
@pytest.mark.parametrize(("hidden", "statement", "extra"), FEATURES)
def test_features_name_the_extra_that_brings_them(tmp_path: Path, hidden: str, statement: str, extra: str) -> None:
    for split in ("train", "test"):
        (tmp_path / f"{split}.parquet").write_bytes(b"PAR1")
    told = copied.run(WITHOUT, hidden, statement.format(folder=str(tmp_path))).stdout
    assert hidden in told and f'pip install "archdial[{extra}]"' in told


@pytest.mark.slow
def test_opening_a_family_imports_nothing_that_it_does_not_need() -> None:
    modules = (
        "datasets",
        "pyarrow",
        "PIL",
        "plotly",
        "matplotlib",
        "tensorboard",
        "lightning_fabric",
        "sympy",
        "torch._dynamo",
    )
    code = f"""
import sys
import torch
before = set(sys.modules)
import archdial.cli.pick, archdial.runs.opening, archdial.families.storage, archdial.report.console
print(*[name for name in {modules!r} if name in sys.modules and name not in before])
"""
    assert copied.run(code).stdout.strip() == ""
