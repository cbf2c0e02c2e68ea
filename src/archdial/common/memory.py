"""Keeping freed memory for the next step, where the C library allows it."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MEBIBYTE = 2**20


def keep_freed_memory() -> None:
    """Ask glibc to reuse freed blocks up to 32 MiB instead of giving them back to the system.

    A training step on the CPU frees and takes the same gigabyte again; fetching it as new pages each time took a
    quarter of the step. Elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, 32 * _MEBIBYTE)
    mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    mallopt(_TOP_PAD, 256 * _MEBIBYTE)
