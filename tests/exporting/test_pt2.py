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
from torch import Tensor

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

for name in sys.argv[1:]:
    outputs = torch.export.load(f"{name}.pt2").module()(torch.from_numpy(numpy.load(f"{name}.npy")))
    numpy.save(f"{name} alone.npy", outputs.numpy())
assert not [name for name in sys.modules if name.startswith("archdial.")]
"""


Exported = dict[str, tuple[BuiltMember, Path]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder, members = tmp_path_factory.mktemp("pt2"), {kind: member(kind) for kind in ("cells", "gates")}
    return {kind: (built, export(built, folder / f"{kind}.pt2", "pt2").path) for kind, built in members.items()}


@pytest.fixture(scope="module")
def alone(exported: Exported) -> dict[str, tuple[Tensor, Tensor]]:
    """What the members return, here and in one Python without archdial, which waits for torch once for both."""
    own = {}
    for kind, (built, path) in exported.items():
        folder = path.parent
        images = torch.randn(3, *built.input_shape, generator=torch.Generator().manual_seed(0))
        numpy.save(folder / f"{kind}.npy", images.numpy())
        own[kind] = built.module(images)
    subprocess.run([sys.executable, "-I", "-c", ALONE, *exported], check=True, timeout=120, cwd=folder)
    return {kind: (torch.from_numpy(numpy.load(folder / f"{kind} alone.npy")), own[kind]) for kind in own}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cells", "gates"])
def test_it_opens_in_a_python_without_archdial(alone: dict[str, tuple[Tensor, Tensor]], kind: str) -> None:
    torch.testing.assert_close(*alone[kind], atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cells", "gates"])
def test_it_holds_no_pickle_and_none_is_loaded(exported: Exported, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, path = exported[kind]
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
