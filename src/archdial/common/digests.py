"""One digest of values and tensors: of all that decides a run, and of what was saved of it."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


def digest_of(value: object) -> str:
    """Return the SHA-256 of `value`: texts, numbers, tensors, and lists, tuples and mappings of such.

    Tensors count with type, shape and order in memory, as all of these decide what is computed from them.

    Raises:
        TypeError: there is something else in `value`.
    """
    found = hashlib.sha256()
    _add(found, value)
    return found.hexdigest()


def _add(found: Any, value: object) -> None:
    if isinstance(value, Tensor):
        _add_tensor(found, value)
    elif isinstance(value, Mapping):
        found.update(b"m%d:" % len(value))
        for key, item in value.items():
            _add(found, key)
            _add(found, item)
    elif isinstance(value, list | tuple):
        found.update(b"l%d:" % len(value))
        for item in value:
            _add(found, item)
    elif isinstance(value, float):
        found.update(b"f" + struct.pack("<d", value))
    elif value is None or isinstance(value, bool | int | str):
        text = f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")
        found.update(b"t%d:" % len(text) + text)
    else:
        raise TypeError(f"a {type(value).__name__} has no digest")


def _add_tensor(found: Any, value: Tensor) -> None:
    plain = value.detach().cpu()
    _add(found, [str(plain.dtype), list(plain.shape), list(plain.stride())])
    # As bytes: some types of numbers are unknown to numpy.
    found.update(plain.contiguous().flatten().view(torch.uint8).numpy())
