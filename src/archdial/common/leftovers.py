"""Temporary files and folders named after their process, so that leftovers of killed ones can be removed."""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from archdial.common.process import Process

_NAMED = re.compile(r"\.(.+)\.([0-9a-f]{12})\.(\d{1,10})\.(\d{1,20})\.[0-9a-f]{8}")
_NAMED_EARLIER = re.compile(r"\.(.+)\.[0-9a-f]{32}")
CLOCK = "clock"
_HOUR, _DAY = 3600.0, 86400.0
"""What no write takes; on another host whole exports and bundles have to be over."""


def temporary_for(path: Path) -> Path:
    """Return a new name beside `path` that tells this process."""
    own = Process.here()
    return path.with_name(f".{path.name}.{own.place}.{own.pid}.{own.start}.{uuid.uuid4().hex[:8]}")


def clear_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove from `folder` the temporaries for files of these `names` whose process is gone; never fail."""
    known = frozenset((*names, CLOCK))
    hidden: list[Path] = []
    with suppress(OSError):
        hidden = [path for path in folder.iterdir() if path.name.startswith(".")]
    for path in hidden:
        # Another command may clear them at the same time.
        with suppress(OSError):
            if _left(path, known):
                _remove(path)


def clock_of(folder: Path) -> float:
    """Return the time by the clock of the file system of `folder`, which other hosts see too."""
    probe = temporary_for(folder / CLOCK)
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _left(path: Path, known: frozenset[str]) -> bool:
    if found := _NAMED.fullmatch(path.name):
        name, place, pid, start = found.groups()
        gone = Process(place, int(pid), int(start)).gone
        return name in known and (_older(path, _DAY) if gone is None else gone)
    found = _NAMED_EARLIER.fullmatch(path.name)
    return found is not None and found[1] in known and _older(path, _HOUR)


def _older(path: Path, seconds: float) -> bool:
    return clock_of(path.parent) - path.lstat().st_mtime > seconds


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
