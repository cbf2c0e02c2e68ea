"""Writing and reading result files: complete or not at all, JSON only."""

import errno
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from archdial.common.held import check_held
from archdial.common.leftovers import clear_leftovers, temporary_for

_OF_A_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}
_SPARE = 1 << 20
"""Bytes that a disk that is not full has left."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to fill; leaving without an error renames it to `path`.

    Two of these nested replace both files or neither, but for a crash between the two renames.

    Raises:
        RunError: another process has taken over the folder.
        OSError: with the name of `path`, also where a library that wrote has made another error of it.
    """
    check_held(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent, [path.name])
    temporary = temporary_for(path)
    with naming(path, temporary):
        try:
            # Made here, as some writers close what they make to everyone else, and results are meant to be passed on.
            temporary.touch(exist_ok=False)
            mode = temporary.stat().st_mode
            with _unhidden(lambda: [temporary]):
                yield temporary
            _settle(temporary, mode)
            check_held(path)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def replacing_all(paths: Sequence[Path]) -> Iterator[Path]:
    """Give a temporary folder beside `paths` to fill with files of their names; leaving without an error renames all.

    For writers that choose file names themselves, or write several files at once. Either all of `paths`, which are of
    one folder, are replaced or none, but for a failure between two renames; the first is renamed last.

    Raises:
        FileNotFoundError: one of them was not written.
        RunError, OSError: as from `replacing`.
    """
    with beside(paths[0], paths[0].parent) as temporary:
        mode = _usual_mode(temporary)
        yield temporary
        for path in paths:
            _settle(temporary / path.name, mode)
        check_held(paths[0])
        for path in reversed(paths):
            (temporary / path.name).replace(path)


@contextmanager
def beside(path: Path, target: Path | None = None) -> Iterator[Path]:
    """Give a new temporary folder beside `path`; it is gone afterwards, unless it was renamed.

    Args:
        path: what it is for.
        target: the folder that its files will be in, `path` by default; errors name them there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    clear_leftovers(path.parent, [path.name])
    temporary = temporary_for(path)
    with naming(path, temporary, target or path):
        temporary.mkdir()
        try:
            with _unhidden(lambda: [file for file in temporary.rglob("*") if file.is_file()]):
                yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def naming(path: Path, temporary: Path | None = None, target: Path | None = None) -> Iterator[None]:
    """Give an OSError that names no file, as of a full disk, that of `path`.

    One that names `temporary` gets `target` instead, or `path`.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in _OF_A_DISK:
            error.filename = str(path)
        elif temporary is not None and Path(str(error.filename)).is_relative_to(temporary):
            error.filename = str((target or path) / Path(str(error.filename)).relative_to(temporary))
        raise


@contextmanager
def _unhidden(files: Callable[[], list[Path]]) -> Iterator[None]:
    """Where the block fails, find out whether the disk is why: libraries make errors of their own of that.

    Whatever stopped them from adding to `files` stops this too.
    """
    try:
        yield
    except OSError:
        raise
    except Exception:
        for file in files():
            with file.open("ab") as stream:
                stream.write(bytes(_SPARE))
                stream.flush()
                os.fsync(stream.fileno())
        raise


def _settle(file: Path, mode: int) -> None:
    """Make `file` as open to others as any, and see it on the disk."""
    if file.stat().st_mode != mode:
        file.chmod(stat.S_IMODE(mode))
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _usual_mode(folder: Path) -> int:
    """Return the mode of a new file; the mask itself cannot be asked for without changing it for all threads."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode
    probe.unlink()
    return mode


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename it, so that `path` is never half written."""
    with replacing(path) as temporary:
        write(temporary)
    return path


def write_bytes(path: Path, data: bytes) -> Path:
    """Write `data` to `path` in one rename."""
    return write_atomically(path, lambda temporary: temporary.write_bytes(data))


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` in one rename."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: object) -> Path:
    """Write `value` as JSON to `path` in one rename; NaN and infinity are refused, as JSON has none."""
    return write_text(path, json_text(value))


def json_text(value: object) -> str:
    """Return `value` as the text of a JSON file."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
