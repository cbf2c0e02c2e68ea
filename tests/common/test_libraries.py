"""Libraries that only some need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archdial.common.errors import UsageError
from archdial.common.libraries import check_installed


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
# Each in a process into which nothing but torch was imported: a copy of one that waits for torch once.
WITHOUT = """
import importlib.util, os, sys
import torch

class Hidden:
    def __init__(self, library):
        self.library = library
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == self.library:
            raise ModuleNotFoundError(name)

def told(hidden, statement):
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
        print(hidden, error, sep=': ', flush=True)

for hidden, statement in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    assert hidden not in sys.modules
    if not os.fork():
        try:
            told(hidden, statement)
        finally:
            os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is said where a library is missing, by its name."""
    folder = tmp_path_factory.mktemp("parquet")
    for split in ("train", "test"):
        (folder / f"{split}.parquet").write_bytes(b"PAR1")
    words = [word.format(folder=str(folder)) for hidden, statement, _ in FEATURES for word in (hidden, statement)]
    command = [sys.executable, "-c", WITHOUT, *words]
    lines = subprocess.run(command, check=True, timeout=120, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split(": ", 1) for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="copies a process")
@pytest.mark.parametrize(("hidden", "statement", "extra"), FEATURES)
def test_features_name_the_extra_that_brings_them(
    told: dict[str, str], hidden: str, statement: str, extra: str
) -> None:
    assert hidden in told[hidden] and f'pip install "archdial[{extra}]"' in told[hidden]


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
    told = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True).stdout
    assert told.strip() == ""
