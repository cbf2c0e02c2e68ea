"""Writing and reading result files: whole or not at all, JSON only."""

import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archdial.errors import UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to fill; leaving without an error renames it to `path`.

    Two of these nested replace both files or neither, but for a crash between the two renames.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its files are closed to everyone else, and results are meant to be passed on.
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
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
    """
    parent = paths[0].parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary = parent / f".{paths[0].name}.{uuid.uuid4().hex}"
    temporary.mkdir()
    try:
        yield temporary
        for path in paths:
            with (temporary / path.name).open("rb") as stream:
                os.fsync(stream.fileno())
        for path in reversed(paths):
            (temporary / path.name).replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_atomically(path: Path, write: Callable[[Path], object]) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename it, so that `path` is never half written."""
    with replacing(path) as temporary:
        write(temporary)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write `text` to `path` in one rename."""
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: object) -> Path:
    """Write `value` as JSON to `path` in one rename; NaN and infinity are refused, as JSON has none."""
    return write_text(path, json_text(value))


def json_text(value: object) -> str:
    """Return `value` as the text of a JSON file."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Return the JSON object in `path`; `what` names the file in the error.

    Raises:
        UsageError: the file is missing, cut off, or holds no JSON object.
    """
    if not path.is_file():
        raise UsageError(f"no {what} at {path}: name an existing file")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"the {what} {path} is damaged ({error}): make it anew or restore a copy") from None
    if not isinstance(value, dict):
        raise UsageError(f"the {what} {path} holds a {type(value).__name__}, expected a JSON object")
    return value
