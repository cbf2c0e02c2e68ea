"""What a file is instead of weights: each kind has its reason and its fix, and weights are left alone."""

from __future__ import annotations

import gzip
import io
import pickle
import re
import tarfile
import zipfile
from pathlib import Path

import numpy
import pytest
import torch
from safetensors.torch import save as saved

from archdial.common.foreign_file import CUT_OFF, foreign, is_cut_off


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, data in files.items():
            archive.writestr(f"inner/{name.replace('__', '.')}", data)
    return made.getvalue()


def tarred() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("weights.pt"))
    return made.getvalue()


def arrays() -> bytes:
    made = io.BytesIO()
    numpy.savez(made, weight=numpy.zeros(3))
    return made.getvalue()


def of_torch(*, older: bool = False) -> bytes:
    made = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, made, _use_new_zipfile_serialization=not older)
    return made.getvalue()


FOREIGN = {
    "empty": ("w.pt", b"", "is empty: download"),
    "pointer": ("w.pt", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "`git lfs pull`"),
    "pointer, safetensors": ("w.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "`git lfs pull`"),
    "page": ("w.pth", b"\n<!DOCTYPE html><html><body>Sign in</body></html>", "HTML page.*download it again"),
    "old page": ("w.pth", b"<HTML><HEAD>", "HTML page.*download it again"),
    "error": ("w.pt", b'{"error": "not found"}', "is a text file .*not found.*download it again"),
    "words": ("w.bin", "Zugriff verweigert, größer".encode(), "is a text file .*Zugriff"),
    "hdf5": ("w.bin", b"\x89HDF\r\n\x1a\n" + bytes(9), "HDF5.*Keras.*state_dict"),
    "keras": ("w.keras", zipped(model__weights__h5=b"x"), "Keras.*state_dict"),
    "onnx": ("w.bin", b"\x08\x08\x12\x07pytorch" + bytes(9), "ONNX.*state_dict"),
    "onnx by name": ("w.onnx", b"\x08\x01" + bytes(9), "ONNX.*state_dict"),
    "saved model": ("saved_model.pb", b"\x08\x01\x12\xff\x90" + bytes(9), "TensorFlow.*state_dict"),
    "tflite": ("w.bin", b"\x1c\0\0\0TFL3" + bytes(9), "TensorFlow.*state_dict"),
    "gguf": ("w.bin", b"GGUF\x03" + bytes(9), "GGUF.*state_dict"),
    "npz": ("w.npz", arrays(), "NumPy arrays"),
    "tar": ("w.pth", tarred(), "tar archive: unpack it"),
    "gzip": ("w.pt.gz", gzip.compress(of_torch()), "compressed with gzip: unpack it"),
    "zip of weights": ("w.pt", zipped(model__pth=of_torch()), "zip archive containing inner/model.pth: unpack it"),
    "zip": ("w.pt", zipped(readme__txt=b"x"), "a zip archive not written by torch .inner/readme.txt.: unpack it"),
    "empty zip archive": ("w.pt", zipped(), "empty zip archive"),
    "pickle": ("w.pkl", pickle.dumps({"weight": numpy.zeros(3)}), "pickle not written by torch.save.*torch.save"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_each_kind_has_its_reason_and_its_fix(tmp_path: Path, name: str) -> None:
    file, data, match = FOREIGN[name]
    path = tmp_path / file
    path.write_bytes(data)
    found = foreign(path)
    assert re.search(match, found), found
    assert found.isprintable()


@pytest.mark.parametrize("older", [True, False])
def test_weights_are_no_foreign_files(tmp_path: Path, older: bool) -> None:
    for name, data in (("w.h5", of_torch(older=older)), ("w.onnx", saved({"weight": torch.zeros(3)}))):
        (tmp_path / name).write_bytes(data)
        assert foreign(tmp_path / name) == ""


def test_what_is_cut_off_is_told_from_what_is_damaged(tmp_path: Path) -> None:
    path, archive, tensors = tmp_path / "w", of_torch(), saved({"weight": torch.zeros(99)})
    for length in (40, len(archive) // 2, len(archive) - 4):
        path.write_bytes(archive[:length])
        assert foreign(path) == CUT_OFF
    path.write_bytes(archive[:-10] + b"\xff" * 10)
    assert foreign(path) != CUT_OFF
    for length, cut in ((9, True), (60, True), (len(tensors) - 1, True), (len(tensors), False)):
        path.write_bytes(tensors[:length])
        assert is_cut_off(path) is cut
    path.write_bytes(tensors + b"more")
    assert not is_cut_off(path)
