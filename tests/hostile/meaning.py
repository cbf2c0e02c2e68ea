"""Whether what was read is what a file says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_LEAVES = frozenset((str, int, float, bool, type(None)))


def difference(said: Any, read: Any, *, left_alone: bool = False) -> str:
    """Return where `read` is not what a file `said`; empty if it is.

    Args:
        left_alone: keys that nobody reads are allowed, and null stands for what the reader finds itself; else each key
            that is said has to be read.
    """
    # Most are of this kind, and the way to them is needed only where they differ.
    if type(said) is type(read) and type(said) in _LEAVES and said == read:
        return ""
    if isinstance(said, Mapping) and isinstance(read, Mapping):
        return _difference_of_mappings(said, read, left_alone)
    if isinstance(said, list | tuple) and isinstance(read, list | tuple):
        if len(said) != len(read):
            return f" has {len(said)} entries, {len(read)} were read"
        for place, (a, b) in enumerate(zip(said, read, strict=True)):
            if found := difference(a, b, left_alone=left_alone):
                return f"[{place}]{found}"
        return ""
    return "" if _same(said, read) else f" is {str(said)[:80]!r}, {str(read)[:80]!r} was read"


def _difference_of_mappings(said: Mapping[Any, Any], read: Mapping[Any, Any], left_alone: bool) -> str:
    for key, value in said.items():
        if key not in read:
            if not left_alone and value is not None:
                return f".{key} was passed over"
        elif left_alone and value is None:
            continue
        elif found := difference(value, read[key], left_alone=left_alone):
            return f".{key}{found}"
    return ""


def _same(said: Any, read: Any) -> bool:
    if isinstance(said, Tensor) and isinstance(read, Tensor):
        same = said.shape == read.shape or said.numel() == read.numel() == 1
        return same and torch.equal(said.reshape(read.shape).nan_to_num().to(read.dtype), read.nan_to_num())
    if isinstance(said, bool) or isinstance(read, bool):
        return said is read
    if isinstance(said, int | float) and isinstance(read, int | float):
        # A float holds the number nearest to what is said.
        return said == read or (isinstance(read, float) and math.isfinite(read) and float(said) == read)
    return type(said) is type(read) and bool(said == read)
