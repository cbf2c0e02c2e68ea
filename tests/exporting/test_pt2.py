"""The .pt2 holds no pickle, and opens where archdial is not."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy
import pytest
import torch

from archdial.exporting import export
from archdial.exporting.built import BuiltMember
from tests.exporting.examples import member

ALONE = """
import sys

sys.modules["archdial"] = None
try:
    import archdial
except ImportError:
    pass
else:
    raise SystemExit("archdial is there")
import numpy, torch

outputs = torch.export.load(sys.argv[1]).module()(torch.from_numpy(numpy.load(sys.argv[2])))
numpy.save(sys.argv[3], outputs.numpy())
assert not [name for name in sys.modules if name.startswith("archdial.")]
"""


@pytest.fixture(scope="module", params=["cells", "gates"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[BuiltMember, Path]:
    built = member(request.param)
    return built, export(built, tmp_path_factory.mktemp("pt2") / "member.pt2", "pt2").path


@pytest.mark.slow
def test_it_opens_in_a_python_without_archdial(exported: tuple[BuiltMember, Path], tmp_path: Path) -> None:
    built, path = exported
    images = torch.randn(3, *built.input_shape, generator=torch.Generator().manual_seed(0))
    numpy.save(tmp_path / "images.npy", images.numpy())
    files = [path, tmp_path / "images.npy", tmp_path / "outputs.npy"]
    subprocess.run([sys.executable, "-I", "-c", ALONE, *map(str, files)], check=True, timeout=120, cwd=tmp_path)
    given = torch.from_numpy(numpy.load(tmp_path / "outputs.npy"))
    torch.testing.assert_close(given, built.module(images), atol=1e-4, rtol=0)


@pytest.mark.slow
def test_it_holds_no_pickle_and_none_is_loaded(
    exported: tuple[BuiltMember, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = exported
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    assert len(contents) > 5
    # What torch saves is a zip file, what Python pickles begins with its protocol.
    pickled = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
    assert not [name for name, content in contents.items() if content.startswith(pickled)]

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a pickle is loaded")

    for place, name in ((torch, "load"), (pickle, "loads"), (pickle, "load"), (pickle, "Unpickler")):
        monkeypatch.setattr(place, name, refuse)
    torch.export.load(path).module()
