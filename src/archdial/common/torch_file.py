"""Files written by `torch.save`: read without executing anything, and within their size."""

from __future__ import annotations

import pickle
import pickletools
import struct
import zipfile
from pathlib import Path
from typing import IO, Any, BinaryIO

import torch
from torch.serialization import MAGIC_NUMBER

_END = struct.Struct("<4sHHHHIIH")
_LOCATOR = struct.Struct("<4sIQI")
_WIDE = struct.Struct("<4sQHHIIQQQQ")
"""The ends of an archive: of any, of a wide one, and what says where that is."""

_PICKLES = 5
"""Of an older file: mark, version, machine, what was saved, and the names of its storages."""

_MOST_VALUES = 2**20
"""Operations that put the values of a small file together; a larger one may have one for each 16 bytes."""

_LONGEST = 8
"""Bytes of a whole number. Longer ones can be chosen so that all of them have one hash, and a dict takes for ever."""

_CALLED = frozenset(
    (
        "collections Counter",
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_tensor_v3",
        "torch._utils _rebuild_parameter",
        "torch._utils _rebuild_sparse_tensor",
        "torch._utils _rebuild_meta_tensor_no_storage",
        "torch.serialization _get_layout",
        "torch Size",
        "torch device",
    )
)
"""What a state dict of tensors calls, as torch's reader permits it; storages and types beside.

A Counter is in the state of a schedule of steps, a device in that of whoever trained on one.
"""

_BEFORE = frozenset(("PROTO", "MARK", "BINUNICODE", "BINPUT"))
"""What may stand before the class of one object that is all that was saved."""

_MAGIC = pickle.dumps(MAGIC_NUMBER, 2)


class Called(ValueError):
    """A pickle that calls what no state dict does.

    Attributes:
        name: module and name of what it calls.
        is_whole: nothing stands before it, so that all that was saved is one object.
    """

    def __init__(self, name: str, is_whole: bool) -> None:
        super().__init__(f"it calls {name}, which no state dict needs")
        self.name, self.is_whole = name.replace(" ", "."), is_whole


def load_saved(path: Path, *, older: bool = False) -> Any:
    """Return what `torch.save` wrote to `path`, on the CPU.

    Args:
        older: files that torch wrote before version 1.6, which are no archives, will do too.

    Raises:
        ValueError: it is no such file, or would take far more memory or time than it has bytes.
        Exception: whatever torch's reader makes of a damaged one.
    """
    if not path.is_file():
        raise ValueError("it is not a file")
    size = path.stat().st_size
    most = max(_MOST_VALUES, size // 16)
    with path.open("rb") as stream:
        begins = stream.read(4)
        stream.seek(0)
        if begins == b"PK\x03\x04":
            _check_archive(stream, size, most)
        elif older:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("it was not written by torch")
            stream.seek(0)
            for _ in range(_PICKLES):
                _check_values(stream, most)
        else:
            raise ValueError("it was not written by torch")
        stream.seek(0)
        # By its path torch would believe the end of the name, which may be that of safetensors.
        value = torch.load(stream, "cpu", weights_only=True)
    # A mapping of its own: one from a file may have attributes in the place of methods.
    return dict(value) if isinstance(value, dict) else value


def _check_archive(stream: BinaryIO, size: int, most: int) -> None:
    _check_directory(stream, size)
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("it is compressed, but torch never compresses")
        if sum(entry.file_size for entry in entries) > size:
            raise ValueError("it claims to be larger than its bytes")
        values = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
        if len(values) != 1 or values[0].file_size > 16 * most:
            raise ValueError("it has too many values besides its tensors")
        with archive.open(values[0]) as pickled:
            _check_values(pickled, most)


def _check_directory(stream: BinaryIO, size: int) -> None:
    """Refuse an archive in which torch could find another directory than Python, which looks for it elsewhere."""
    stream.seek(max(size - _END.size - _WIDE.size - _LOCATOR.size, 0))
    tail = stream.read()
    end, place = _END.unpack(tail[-_END.size :]), size - _END.size
    if end[0] != b"PK\x05\x06" or end[-1]:
        raise ValueError("it was not written by torch")
    length, offset = end[5], end[6]
    locator = _LOCATOR.unpack(tail[-_END.size - _LOCATOR.size : -_END.size])
    if locator[0] == b"PK\x06\x07":
        place -= _LOCATOR.size + _WIDE.size
        wide = _WIDE.unpack(tail[: _WIDE.size])
        if wide[0] != b"PK\x06\x06" or locator[2] != place:
            raise ValueError("it was not written by torch")
        told = [value for value in (length, offset) if value != 2**32 - 1]
        length, offset = wide[8], wide[9]
        if any(value not in (length, offset) for value in told):
            raise ValueError("it was not written by torch")
    if length + offset != place:
        raise ValueError("it was not written by torch")


def _check_values(pickled: IO[bytes], most: int) -> None:
    """Refuse calls that no state dict has, numbers without an end, and more of all than `most`."""
    is_first = True
    for count, (operation, argument, _) in enumerate(pickletools.genops(pickled)):
        name = operation.name
        if count > most:
            raise ValueError("it has too many values besides its tensors")
        if name in ("LONG", "LONG1", "LONG4", "INT") and isinstance(argument, int):
            if argument.bit_length() > 8 * _LONGEST and argument != MAGIC_NUMBER:
                raise ValueError(f"it contains an integer of {argument.bit_length()} bits")
        elif name in ("GLOBAL", "INST") and argument not in _CALLED and not _is_type(str(argument)):
            raise Called(str(argument), is_first)
        elif name == "STACK_GLOBAL":
            raise ValueError("it calls something unnamed, which no state dict needs")
        is_first = is_first and name in _BEFORE


def _is_type(called: str) -> bool:
    """Tell whether a storage or a type of numbers is named."""
    module, _, name = called.partition(" ")
    is_storage = module in ("torch", "torch.storage", "torch.cuda") and name.endswith("Storage")
    return is_storage or (module == "torch" and isinstance(getattr(torch, name, None), torch.dtype))
