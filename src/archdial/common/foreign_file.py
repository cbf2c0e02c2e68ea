"""Recognising files that are not PyTorch weights: a reason and a fix for each common kind."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

from archdial.common.errors import cut

_SEEN = 512
"""Bytes at the beginning of a file that tell what it is."""
_SHORTEST_TEXT = 8
_END = 22
"""Bytes of the end of a zip archive."""

_AGAIN = "download it again from the file's direct link"
_UNPACK = "unpack it and pass the weights file"
_CONVERT = "archdial reads PyTorch weights; convert it to PyTorch and save model.state_dict()"
_TENSORFLOW = f"is a TensorFlow file: {_CONVERT}"
_ONNX = f"is an ONNX model: {_CONVERT}"
_PICKLE = (
    "is a pickle not written by torch.save, and archdial executes no pickles: load it if you trust it, and save a dict "
    "of tensors with torch.save"
)

CUT_OFF = "is truncated: download, copy or save it again"

_BEGINNINGS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the weights themselves: run `git lfs pull` in its folder",
    b"\x89HDF\r\n\x1a\n": f"is an HDF5 file, as written by Keras and TensorFlow: {_CONVERT}",
    b"\x1f\x8b": f"is compressed with gzip: {_UNPACK}",
    b"BZh": f"is compressed with bzip2: {_UNPACK}",
    b"\xfd7zXZ\x00": f"is compressed with xz: {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"is compressed with zstd: {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"is a 7z archive: {_UNPACK}",
    b"Rar!\x1a\x07": f"is a rar archive: {_UNPACK}",
    b"PK\x05\x06": "is an empty zip archive: download or save it again",
    b"GGUF": f"is a GGUF file for llama.cpp: {_CONVERT}",
    **{b"\x80" + bytes([version]): _PICKLE for version in range(2, 6)},
    b"\x93NUMPY": f"is a NumPy array: {_CONVERT}",
}
_SUFFIXES = {
    ".onnx": _ONNX,
    ".pb": _TENSORFLOW,
    ".tflite": _TENSORFLOW,
    ".index": _TENSORFLOW,
    ".h5": _TENSORFLOW,
    ".keras": _TENSORFLOW,
    ".msgpack": f"is a Flax file: {_CONVERT}",
}
_PAGES = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--")
_ONNX_HEAD = re.compile(rb"\x08[\x03-\x20]\x12[\x01-\x40][\w.-]{3}")
"""Its version, and who made it."""
_LONGEST_HEADER = 100_000_000
"""Bytes, as safetensors allows."""
_OFFSET = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]')


def foreign(path: Path) -> str:
    """Return what the file at `path` is, and what to do, where it cannot be weights of PyTorch; else nothing."""
    with path.open("rb") as stream:
        head = stream.read(_SEEN)
    if not head:
        return "is empty: download or save it again"
    if is_safetensors(head):
        return ""
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if is_of_torch(head):
        return ""
    return _told_by(head) or _SUFFIXES.get(path.suffix.lower(), "")


def is_safetensors(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is of safetensors: a length, and JSON."""
    return head[8:9] == b"{" and head[4:8] == bytes(4)


def is_of_torch(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is an archive, or the pickle that torch began with before 1.6."""
    return head.startswith((b"PK\x03\x04", b"\x80\x02\x8a\x0a"))


def is_cut_off(path: Path) -> bool:
    """Tell whether a safetensors file has fewer bytes than its header says."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(9)
        length = int.from_bytes(head[:8], "little")
        if not is_safetensors(head) or length > _LONGEST_HEADER:
            return False
        ends = [int(end) for end in _OFFSET.findall(stream.read(length))]
    return 8 + length + max(ends, default=0) > size


def _told_by(head: bytes) -> str:
    """Return what a file is that begins with `head`."""
    found = next((what for beginning, what in _BEGINNINGS.items() if head.startswith(beginning)), "")
    if found:
        return found
    if head[257:262] == b"ustar":
        return f"is a tar archive: {_UNPACK}"
    if head[4:8] == b"TFL3":
        return _TENSORFLOW
    return _ONNX if _ONNX_HEAD.match(head) else _text(head)


def _text(head: bytes) -> str:
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if begins.lower().startswith(_PAGES):
        return f"is an HTML page, such as a login or confirmation page: {_AGAIN}"
    text = begins.decode("utf-8", "ignore")
    # The last character may be cut in two.
    is_whole = len(begins) >= _SHORTEST_TEXT and len(text.encode()) > len(begins) - 4
    if is_whole and all(character.isprintable() or character.isspace() for character in text):
        return f"is a text file (it starts with {cut(text.splitlines()[0], 40)!r}), not weights: {_AGAIN}"
    return ""


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:
        # With its end it is damaged in another way, which whoever reads it will tell.
        return "" if _has_end(path) else CUT_OFF
    return _held(names)


def _has_end(path: Path) -> bool:
    """Tell whether the end of a zip archive is whole; a remark may follow it."""
    with path.open("rb") as stream:
        stream.seek(max(path.stat().st_size - 2**16 - _END, 0))
        tail = stream.read()
    return 0 <= tail.rfind(b"PK\x05\x06") <= len(tail) - _END


def _held(names: Sequence[str]) -> str:
    """Return what an archive of files with such `names` is; nothing for what torch.save wrote."""
    files = {name.rpartition("/")[2] for name in names}
    if "constants.pkl" in files:
        return (
            "is a TorchScript archive, which contains code: save only the weights, "
            "torch.save(torch.jit.load(FILE).state_dict(), OTHER)"
        )
    if "data.pkl" in files:
        return ""
    if files & {"archive_format", "serialized_exported_program.json", "serialized_exported_program.pt"}:
        return (
            "is a program saved by torch.export: save only the weights, "
            "torch.save(dict(torch.export.load(FILE).state_dict), OTHER)"
        )
    if "model.weights.h5" in files:
        return f"is a Keras file: {_CONVERT}"
    if any(name.endswith(".npy") for name in files):
        return f"is an archive of NumPy arrays: {_CONVERT}"
    inside = next((n for n in names if n.endswith((".pt", ".pth", ".bin", ".ckpt", ".safetensors"))), None)
    if inside is not None:
        return f"is a zip archive containing {cut(inside)}: unpack it and pass that file"
    return f"is a zip archive not written by torch ({cut(names[0]) if names else 'empty'}): {_UNPACK}"
