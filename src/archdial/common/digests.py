"""Digests of values and tensors: of everything that determines a run, and of what was saved."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping

import torch
from torch import Tensor

_OF_A_VALUE = 256
"""Bytes that a number, a text or a list counts as at least, in what is hashed."""


def digest_of(value: object, most: float = math.inf) -> str:
    """Return the SHA-256 of `value`: texts, numbers, tensors, and lists, tuples and mappings of such.

    Tensors count with type, shape and order in memory, as all of these decide what is computed from them.

    Args:
        most: bytes that may be hashed. In a file that somebody made, lists may hold each other, and tensors repeat what
            they hold, so that a few bytes never come to an end.

    Raises:
        TypeError: there is something else in `value`.
        ValueError: there is more of it than `most`.
    """
    found = _Hash(most)
    found.add(value)
    return found.hexdigest()


class _Hash:
    """A digest on its way."""

    def __init__(self, most: float) -> None:
        self._left = most
        self._hash = hashlib.sha256()

    def hexdigest(self) -> str:
        return self._hash.hexdigest()

    def add(self, value: object) -> None:
        if isinstance(value, Tensor):
            self._add_tensor(value)
        elif isinstance(value, Mapping):
            self._update(b"m%d:" % len(value))
            for key, item in value.items():
                self.add(key)
                self.add(item)
        elif isinstance(value, list | tuple):
            self._update(b"l%d:" % len(value))
            for item in value:
                self.add(item)
        elif isinstance(value, float):
            self._update(b"f" + struct.pack("<d", value))
        elif value is None or isinstance(value, bool | int | str):
            text = f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")
            self._update(b"t%d:" % len(text) + text)
        else:
            raise TypeError(f"cannot compute a digest of a {type(value).__name__}")

    def _add_tensor(self, value: Tensor) -> None:
        self.add([str(value.dtype), list(value.shape), list(value.stride())])
        size = value.numel() * value.element_size()
        self._take(size)
        # What is expanded would be written out.
        if self._left < math.inf and size > value.untyped_storage().nbytes():
            raise ValueError("it expands to more than its bytes: lists or tensors refer to each other repeatedly")
        # As bytes: some types of numbers are unknown to numpy.
        self._hash.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)

    def _update(self, data: bytes) -> None:
        self._take(max(len(data), _OF_A_VALUE))
        self._hash.update(data)

    def _take(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise ValueError("it expands to more than its bytes: lists or tensors refer to each other repeatedly")
