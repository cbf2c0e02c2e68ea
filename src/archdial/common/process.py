"""Identifying this process so that another one can tell whether it is still alive."""

from __future__ import annotations

import hashlib
import os
import select
import signal
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LARGEST = 2**31 - 1
_LOOK = 10_000
"""Milliseconds between two looks at the parent, where a fork of it keeps the pipe open."""


def end_with_parent(parent: int) -> None:
    """End this process, and what it started, when `parent` is gone, whose pipe is its standard input.

    For a thread of a process that leads a session of its own.
    """
    if not hasattr(select, "poll") or os.getpgrp() != os.getpid():
        return
    # Asked for nothing, poll tells of the end alone: it takes no time, and nothing from who reads the input.
    watch = select.poll()
    watch.register(0, 0)
    while not watch.poll(_LOOK) and os.getppid() == parent:
        pass
    os.killpg(0, signal.SIGKILL)


@dataclass(frozen=True)
class Process:
    """One process.

    Attributes:
        place: where `pid` means this process and no other: a digest of host, boot and process namespace.
        pid: its number.
        start: ticks from boot to its start, by which it differs from a later one of that number; 0 if unknown.
    """

    place: str
    pid: int
    start: int

    @classmethod
    def here(cls) -> Process:
        """Return the process that asks."""
        pid = os.getpid()
        _, start = _seen(pid)
        return cls(_place(), pid, start)

    @property
    def gone(self) -> bool | None:
        """Whether it has ended; None where that cannot be told from here."""
        # On Windows os.kill ends a process instead of asking for it.
        if self.place != _place() or os.name == "nt" or not 0 < self.pid <= LARGEST:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
        running, start = _seen(self.pid)
        if running and (self.start == 0 or start == 0):
            # Another process may have got the number since.
            return None
        return not running or self.start != start


def _seen(pid: int) -> tuple[bool, int]:
    """Return whether process `pid` runs, and when it began, as far as the system tells."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True, 0
    # The name comes first, in brackets, and may hold anything.
    fields = text.rpartition(")")[2].split()
    return fields[0] not in "ZX", int(fields[19])


@cache
def _place() -> str:
    parts = [socket.gethostname()]
    for file, read in ((Path("/proc/sys/kernel/random/boot_id"), Path.read_text), (Path("/proc/self/ns/pid"), _inode)):
        try:
            parts.append(read(file))
        except OSError:
            parts.append("")
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()[:12]


def _inode(file: Path) -> str:
    return str(file.stat().st_ino)
