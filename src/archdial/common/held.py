"""Folders that this process holds: checked before each write, because another process may have taken over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

checks: dict[Path, Callable[[], None]] = {}
"""By resolved folder what raises RunError once the folder is another's."""


def check_held(path: Path) -> None:
    """Raise RunError if `path` is in a folder that this process has held and lost.

    To be called right before what changes the folder: whoever stood still in between learns of it here first.
    """
    if not checks:
        return
    # Of a link it is the folder that it stands in that changes, not the one that it points to.
    place = path.parent.resolve()
    for folder in (place / path.name, place, *place.parents):
        if check := checks.get(folder):
            check()
