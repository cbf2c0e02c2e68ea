"""Files that a command is to write, and that must not exist yet."""

from __future__ import annotations

from pathlib import Path


def check_new_files(files: tuple[Path, ...]) -> None:
    """Raise UsageError if one of `files`, all in one folder, exists, or their folder cannot be written to."""
    from archdial.common.errors import UsageError
    from archdial.runs.folder import check_writable

    check_writable(files[0].absolute().parent)
    for path in files:
        if path.exists():
            raise UsageError(f"{path} already exists: choose another --out")
